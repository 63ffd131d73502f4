"""The columns that tables are made of."""

from countguard.reports.tables.table import Column

STRATEGY = Column("strategy", "Strategy", "Strategy")
COUNTER = Column("counter", "Counter", "Counter")
RHO_ACC = Column("rho_acc", "ρ", r"$\rho_{\mathrm{Acc}}$", "Acc")
RHO_ACC_REPAIRED = Column("rho_acc_repaired", "ρ", r"$\rho_{\mathrm{Acc}}^{\mathrm{ft}}$", "Acc", "repaired")
RHO_ASR = Column("rho_asr", "ρ", r"$\rho_{\mathrm{Asr}}$", "Asr")
RHO_ASR_REPAIRED = Column("rho_asr_repaired", "ρ", r"$\rho_{\mathrm{Asr}}^{\mathrm{ft}}$", "Asr", "repaired")
BANDS = (
    Column("rho_asr_10_30", "ρ", r"$\rho_{\mathrm{Asr}}^{\pm 0.1\sim}$", "Asr", "±0.1 to 0.3"),
    Column("rho_asr_30_50", "ρ", r"$\rho_{\mathrm{Asr}}^{\pm 0.3\sim}$", "Asr", "±0.3 to 0.5"),
    Column("rho_asr_50_100", "ρ", r"$\rho_{\mathrm{Asr}}^{\pm 0.5\sim}$", "Asr", "±0.5 to 1"),
    Column("rho_asr_100", "ρ", r"$\rho_{\mathrm{Asr}}^{\pm 1\sim}$", "Asr", "above +1"),
)
FALSE_ASR = Column("false_asr", "false", r"$\mathrm{false}_{\mathrm{Asr}}$", "Asr", "clean counter")
FALSE_ASR_REPAIRED = Column(
    "false_asr_repaired", "false", r"$\mathrm{false}_{\mathrm{Asr}}^{\mathrm{ft}}$", "Asr", "clean counter, repaired"
)
NET_ASR = Column("net_asr", "net", r"$\mathrm{net}_{\mathrm{Asr}}$", "Asr", "ρ less false", signed=True)
RHO_ACC_TRIGGERED = Column("rho_acc_triggered", "ρ", r"$\rho_{\mathrm{Acc}}^{\mathrm{triggered}}$", "Acc", "triggered")
SHIFT = Column("shift", "Shift", "Shift", note="1: the attacker's count", digits=2)
MAE = Column("mae", "MAE", "MAE", digits=2)
RMSE = Column("rmse", "RMSE", "RMSE", digits=2)
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
