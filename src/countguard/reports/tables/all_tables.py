"""All tables of a run."""

from collections.abc import Callable

from countguard.metrics.intervals import Interval
from countguard.reports.compare import Change, changes
from countguard.reports.paper.published import PublishedResults
from countguard.reports.paper.tables import MEANINGLESS_ALONE, table_1, table_2, table_3, table_contradictions
from countguard.reports.tables import columns as c
from countguard.reports.tables.audits import table_audits, table_filters
from countguard.reports.tables.relearned import table_relearned
from countguard.reports.tables.rows import counters, leading_columns, measures, row, subject
from countguard.reports.tables.table import Column, Row, Table, over_seeds
from countguard.runs.run import Run


def all_tables(run: Run, paper: PublishedResults | None = None) -> list[Table]:
    """Every table of a run, finished or not; a table without a row is left out."""
    tables = [
        table_full(run),
        table_errors(run),
        table_changes(run),
        table_audits(run),
        table_filters(run),
        table_relearned(run),
        table_1(run, paper),
        table_2(run, paper),
        table_3(run, paper),
    ]
    if paper:
        tables.append(table_contradictions(run, paper))
    return [table for table in tables if table.rows]


def table_full(run: Run) -> Table:
    """Every metric of every counter."""
    numbers = [
        c.RHO_ACC,
        c.RHO_ASR,
        c.FALSE_ASR,
        c.NET_ASR,
        c.FALSE_ASR_REPAIRED,
        c.RHO_ACC_TRIGGERED,
        c.SHIFT,
        c.MAE,
        c.RMSE,
        *c.plug_in_columns(),
    ]
    left_out = max((cell.card.left_out for cell in run.cells), default=0)
    notes = [MEANINGLESS_ALONE]
    if run.filters:
        notes.append("In filtered rows, the clean counter, repaired, is the one trained on what the same filter left.")
    if run.plan.relearns:
        notes.append("In relearned rows, it is the one that was never attacked, tuned on the same poisoned images.")
    if left_out:
        notes.append(
            f"{left_out} of the images hold nobody and have no ratio: left out of every rate, not of MAE and RMSE."
        )
    return Table(
        "table_full",
        "Every measure",
        f"{subject(run)}. MAE and RMSE in heads, on clean images.",
        [*leading_columns(run), *numbers],
        [row(found, measures(found.cells, numbers)) for found in counters(run, relearned=True)],
        notes,
    )


def table_errors(run: Run) -> Table:
    """The error pairs of DMBA (Sun et al., 2022): MAE and RMSE on clean, and on triggered images against two counts."""
    numbers = [c.MAE, c.RMSE, *c.TRIGGERED_ERRORS]
    rows = counters(run, relearned=True)
    measured = [found for found in rows if any("mae_triggered" in cell.card.metrics for cell in found.cells)]
    return Table(
        "errors",
        "Errors of the count",
        f"{subject(run)}. Heads: clean images; triggered images against the true count, and against the attacker's.",
        [*leading_columns(run), *numbers],
        [row(found, measures(found.cells, numbers)) for found in measured],
        ["A small error against the attacker's count is a success of the attack, beside a small one on clean images."],
    )


def table_changes(run: Run) -> Table:
    """What each filter and repair changes, with intervals over the same images before and after."""
    numbers: dict[Column, Callable[[Change], Interval | None]] = {
        c.SUCCESS_CHANGE: lambda change: change.success,
        c.TRIGGERED_CHANGE: lambda change: change.right_when_triggered,
        c.ACCURACY_CHANGE: lambda change: change.accuracy,
        c.MAE_CHANGE: lambda change: change.error,
    }
    rows = []
    for found in counters(run, attacked=False):
        seeds = changes(run.select(found.variant, found.strategy), found.cells)
        if seeds:
            intervals = {
                column.name: [interval for change in seeds if (interval := read(change))]
                for column, read in numbers.items()
            }
            rows.append(Row({**found.entries, **{name: over_seeds(these) for name, these in intervals.items()}}))
    both = run.filters and run.repairs
    stages = "filter or the repair" if both else "filter" if run.filters else "repair"
    done = "filtered or repaired" if both else "filtered" if run.filters else "repaired"
    return Table(
        "changes",
        f"What the {stages} changes",
        f"{subject(run)}: {done} minus as trained, the same images before and after.",
        [*leading_columns(run), *numbers],
        rows,
        ["An interval that covers 0 does not tell a change from none."],
    )
