"""The columns that tables are made of."""

from countguard.metrics import METRICS
from countguard.reports.tables.table import Column


def metric_column(name: str) -> Column:
    """The column of a metric, as its entry in `METRICS` says."""
    metric = METRICS[name]
    return Column(
        metric.name,
        metric.heading,
        metric.tex or metric.heading,
        metric.subscript,
        metric.note,
        metric.digits,
        metric.signed,
    )


STRATEGY = Column("strategy", "Strategy", "Strategy")
COUNTER = Column("counter", "Counter", "Counter")
RHO_ACC = metric_column("rho_acc")
RHO_ACC_REPAIRED = Column("rho_acc_repaired", "ρ", r"$\rho_{\mathrm{Acc}}^{\mathrm{ft}}$", "Acc", "repaired")
RHO_ASR = metric_column("rho_asr")
RHO_ASR_REPAIRED = Column("rho_asr_repaired", "ρ", r"$\rho_{\mathrm{Asr}}^{\mathrm{ft}}$", "Asr", "repaired")
BANDS = tuple(map(metric_column, ("rho_asr_10_30", "rho_asr_30_50", "rho_asr_50_100", "rho_asr_100")))
FALSE_ASR = metric_column("false_asr")
FALSE_ASR_REPAIRED = metric_column("false_asr_repaired")
NET_ASR = metric_column("net_asr")
RHO_ACC_TRIGGERED = metric_column("rho_acc_triggered")
SHIFT = metric_column("shift")
MAE = metric_column("mae")
RMSE = metric_column("rmse")
TRIGGERED_ERRORS = tuple(map(metric_column, ("mae_triggered", "rmse_triggered", "mae_target", "rmse_target")))
SUCCESS_CHANGE = Column("rho_asr_change", "ρ", r"$\Delta\rho_{\mathrm{Asr}}$", "Asr", "change", signed=True)
TRIGGERED_CHANGE = Column(
    "rho_acc_triggered_change", "ρ", r"$\Delta\rho_{\mathrm{Acc}}^{\mathrm{triggered}}$", "Acc", "triggered, change",
    signed=True,
)  # fmt: skip
ACCURACY_CHANGE = Column("rho_acc_change", "ρ", r"$\Delta\rho_{\mathrm{Acc}}$", "Acc", "change", signed=True)
MAE_CHANGE = Column("mae_change", "MAE", r"$\Delta$MAE", note="change", digits=2, signed=True)


def varied_column(name: str) -> Column:
    """The column of a setting that the recipe varies, by its dotted name."""
    return Column(name, name, "")


def plug_in_columns() -> list[Column]:
    """The columns of metrics that plug-ins have added."""
    own = {RHO_ACC, RHO_ASR, *BANDS, FALSE_ASR, FALSE_ASR_REPAIRED, NET_ASR, RHO_ACC_TRIGGERED, SHIFT, MAE, RMSE}
    own |= set(TRIGGERED_ERRORS)
    return [column for name in METRICS if (column := metric_column(name)) not in own]
