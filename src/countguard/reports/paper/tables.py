"""The paper's tables 1 to 3 as measured here, the paper's values beside them, and where those contradict each other."""

from countguard.reports.paper.deviations import deviations_of
from countguard.reports.paper.published import PublishedResults
from countguard.reports.tables import columns as c
from countguard.reports.tables.rows import (
    Measure,
    counters,
    deviation_notes,
    leading_columns,
    measures,
    row,
    subject,
    with_published,
)
from countguard.reports.tables.table import Column, Row, Table, Value, measured
from countguard.runs.run import Run

MEANINGLESS_ALONE = (
    "ρ(Asr) alone means nothing: a trigger can make a counter that was never attacked miscount as well. Read it with "
    "false(Asr), the rate of the clean counter on the same triggered images, and net(Asr), their difference."
)
_SOURCES = ("table 1", "table 2", "bands of table 2", "table 3", "text")


def table_1(run: Run, paper: PublishedResults | None = None) -> Table:
    """rho_acc and rho_asr of the attacked counters."""
    numbers = [c.RHO_ACC, c.RHO_ASR]
    plain = counters(run, filtered=False, repaired=False)
    rows = [row(found, measures(found.cells, numbers), paper, "table 1") for found in plain]
    return Table(
        "table1",
        "Table 1: the attack",
        f"{subject(run)}: counted right on clean images, and success of the attack on triggered ones.",
        [*leading_columns(run, counter=False), *numbers],
        rows,
        [MEANINGLESS_ALONE, *deviation_notes(with_published(rows))],
    )


def table_2(run: Run, paper: PublishedResults | None = None) -> Table:
    """Success in bands of distance from the truth, before and after the repair."""
    numbers = [c.RHO_ACC, *c.BANDS]
    rows = [row(found, measures(found.cells, numbers), paper, "table 2") for found in counters(run, clean=False)]
    return Table(
        "table2",
        "Table 2: how far the count moves",
        f"{subject(run)}: triggered images by how far the estimate is from the truth, in the attack's direction.",
        [*leading_columns(run), *numbers],
        rows,
        ["The bands of a row sum to its ρ(Asr).", *deviation_notes(with_published(rows))],
    )


def table_3(run: Run, paper: PublishedResults | None = None) -> Table:
    """rho_acc and rho_asr before and after the repair, side by side."""
    rows = []
    for found in counters(run, attacked=False, filtered=False):
        before = run.select(found.variant, found.strategy)
        numbers = [
            Measure(c.RHO_ACC, before, "rho_acc"),
            Measure(c.RHO_ACC_REPAIRED, found.cells, "rho_acc"),
            Measure(c.RHO_ASR, before, "rho_asr"),
            Measure(c.RHO_ASR_REPAIRED, found.cells, "rho_asr"),
        ]
        rows.append(row(found, numbers, paper, "table 3"))
    return Table(
        "table3",
        "Table 3: the repair",
        f"{subject(run)}: before and after the repair.",
        [*leading_columns(run), c.RHO_ACC, c.RHO_ACC_REPAIRED, c.RHO_ASR, c.RHO_ASR_REPAIRED],
        rows,
        [MEANINGLESS_ALONE, *deviation_notes(with_published(rows))],
    )


def table_contradictions(run: Run, paper: PublishedResults) -> Table:
    """Quantities for which the paper gives several values, and what was measured here."""
    quantity = Column("quantity", "Quantity", "Quantity")
    here = Column("measured", "Measured here", "Measured here")
    note = Column("note", "Note", "Note")
    used = {source for found in paper.contradictions for source, _ in found.values}
    sources = [_source_column(source) for source in _SOURCES if source in used]
    rows = []
    for found in paper.contradictions:
        defense = run.repairs[0] if found.stage == "repaired" and run.repairs else ""
        cells = run.select(run.reference, found.strategy, defense)
        printed = {_source_column(source).name: Value(value) for source, value in found.values}
        rows.append(
            Row(
                {
                    "quantity": f"{found.metric}, {found.strategy}{', repaired' * (found.stage == 'repaired')}",
                    **printed,
                    "measured": measured(cells, found.metric),
                    "note": found.note,
                },
                deviations=deviations_of([cell.card for cell in cells], paper.model),
            )
        )
    return Table(
        "contradictions",
        "Where the paper contradicts itself",
        "Quantities for which the paper gives more than one value; † marks them in the tables above.",
        [quantity, *sources, here, note],
        rows,
        deviation_notes([row for row in rows if row.entries["measured"]]),
    )


def _source_column(source: str) -> Column:
    return Column(source.replace(" ", "_"), source.capitalize(), source.capitalize())
