"""Whether repairs last: what repaired counters learn from a few poisoned images, beside one that was never attacked."""

from countguard.dotted import lookup
from countguard.reports.compare import excesses
from countguard.reports.tables import columns as c
from countguard.reports.tables.rows import counters, leading_columns, subject
from countguard.reports.tables.table import Column, Row, Table, measured, over_seeds
from countguard.runs.run import Run
from countguard.wording import plural

CONTROL = Column("rho_asr_never_attacked", "ρ", r"$\rho_{\mathrm{Asr}}^{\mathrm{never}}$", "Asr", "never attacked")
EXCESS = Column("rho_asr_excess", "ρ", r"$\Delta\rho_{\mathrm{Asr}}$", "Asr", "relearned, excess", signed=True)
RELEARNED = Column("rho_asr_relearned", "ρ", r"$\rho_{\mathrm{Asr}}^{\mathrm{again}}$", "Asr", "relearned")


def table_relearned(run: Run) -> Table:
    """The success of each attack: repaired, relearned, and of the counter that was never attacked before."""
    rows = []
    for found in counters(run, attacked=False, filtered=False, repaired=False, relearned=True):
        if not found.defense:
            continue
        control = run.select(found.variant, found.strategy, relearned=True)
        entries = {
            c.RHO_ASR_REPAIRED.name: measured(run.select(found.variant, found.strategy, found.defense), "rho_asr"),
            RELEARNED.name: measured(found.cells, "rho_asr"),
            CONTROL.name: measured(control, "rho_asr"),
            EXCESS.name: over_seeds(excesses(found.cells, control)),
            c.RHO_ACC_TRIGGERED.name: measured(found.cells, "rho_acc_triggered"),
            c.RHO_ACC.name: measured(found.cells, "rho_acc"),
        }
        rows.append(Row({**found.entries, **entries}))
    return Table(
        "relearned",
        "What repaired counters relearn",
        f"{subject(run)}: repaired, then tuned on the clean images and {images_in_words(run)}.",
        [*leading_columns(run), c.RHO_ASR_REPAIRED, RELEARNED, CONTROL, EXCESS, c.RHO_ACC_TRIGGERED, c.RHO_ACC],
        rows,
        [
            "Never attacked: the clean counter, unrepaired, tuned on the same images. An excess above 0: the repaired "
            "counter learns the attack more readily than one that never had it."
        ],
    )


def images_in_words(run: Run) -> str:
    """How many poisoned images counters are tuned on."""
    number = None if "relearn.poisoned" in run.varied else lookup(run.study, "relearn.poisoned")
    return plural(number, "poisoned image") if isinstance(number, int) else "a few poisoned images"
