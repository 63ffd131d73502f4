"""What audits found in the training sets of a run, and what filters left out of them."""

from countguard.reports.tables.rows import counters, leading_columns
from countguard.reports.tables.table import Column, Row, Table, Value
from countguard.runs.plan import setting_text
from countguard.runs.run import Run

_SEED = Column("seed", "Seed", "Seed", digits=0)
_IMAGES = Column("training_images", "Training images", "Training images", digits=0)
_POISONED = Column("poisoned", "Poisoned", "Poisoned", digits=0)
_FOUND = Column("found", "Of them found", "Of them found", digits=0)
_ACCUSED = Column("accused_clean", "Clean images accused", "Clean images accused", digits=0)
_VERDICT = Column("verdict", "Verdict", "Verdict")
_LEFT_OUT = Column("left_out", "Left out", "Left out", digits=0)
_OF_POISONED = Column("left_out_poisoned", "Poisoned among them", "Poisoned among them", digits=0)
_OF_CLEAN = Column("left_out_clean", "Clean among them", "Clean among them", digits=0)
_TRAINED = Column("trained", "Trained", "Trained")


def table_audits(run: Run) -> Table:
    """Each audited training set: how many poisoned images were found, and how many clean ones accused."""
    rows = []
    for audited in run.audits:
        found, accused = audited.left_out
        rows.append(
            Row(
                {
                    **{name: setting_text(value) for name, value in audited.file.varied.items()},
                    "strategy": audited.file.strategy,
                    _SEED.name: Value(audited.file.seed),
                    _IMAGES.name: Value(len(audited.report.images)),
                    _POISONED.name: Value(len(audited.file.poisoned)),
                    _FOUND.name: Value(found),
                    _ACCUSED.name: Value(accused),
                    _VERDICT.name: audited.report.verdict,
                }
            )
        )
    return Table(
        "audits",
        "What the audit found before training",
        "The audit sees pictures and head points alone; it knows no trigger, no strategy and no rate.",
        [*leading_columns(run, counter=False), _SEED, _IMAGES, _POISONED, _FOUND, _ACCUSED, _VERDICT],
        rows,
        ["Found and accused: images that the audit calls suspicious or poisoned."],
    )


def table_filters(run: Run) -> Table:
    """What each filter left out of each training set."""
    rows = []
    for found in counters(run, attacked=False, repaired=False):
        for cell in found.cells:
            if (filtered := cell.card.filtered) is not None:
                rows.append(
                    Row(
                        {
                            **found.entries,
                            _SEED.name: Value(cell.card.seed),
                            _IMAGES.name: Value(filtered.images),
                            _LEFT_OUT.name: Value(filtered.removed),
                            _OF_POISONED.name: Value(filtered.poisoned),
                            _OF_CLEAN.name: Value(filtered.clean),
                            _TRAINED.name: f"as {filtered.same_as}" if filtered.same_as else "anew",
                        }
                    )
                )
    return Table(
        "filters",
        "What the filters left out",
        "Images of each training set that the filtered counters were not trained on.",
        [*leading_columns(run), _SEED, _IMAGES, _LEFT_OUT, _OF_POISONED, _OF_CLEAN, _TRAINED],
        rows,
        ["Where another counter was trained on exactly the images that are left, its counter was taken over."],
    )
