"""A run's results on the terminal."""

from pathlib import Path

from rich.table import Table as Grid

from countguard.escaping import rich_text
from countguard.reports.audits import audit_words
from countguard.reports.tables import columns as c
from countguard.reports.tables.rows import counters, leading_columns, measures, row
from countguard.reports.tables.table import NONE, Column, Entry, Value
from countguard.runs.run import Run
from countguard.wording import plural

_NUMBERS = {
    c.RHO_ACC: "rho\nacc",
    c.RHO_ASR: "rho\nasr",
    c.FALSE_ASR: "false\nasr",
    c.NET_ASR: "net\nasr",
    c.RHO_ACC_TRIGGERED: "rho acc\ntriggered",
    c.MAE: "MAE",
}


def summary_table(folder: Path) -> Grid:
    """A table of the main metrics of each finished counter, for the end of a run.

    Raises:
        InputError: the folder is not a run, or a file in it is unusable.
    """
    run = Run.read(folder)
    caption = "false_asr: the clean counter's rate on the same triggered images; net_asr: beyond it"
    if run.missing:
        caption = f"{plural(len(run.missing), 'counter')} not finished; {caption}"
    grid = Grid(title=rich_text(run.name), caption=caption)
    for column in leading_columns(run):
        grid.add_column(rich_text(column.heading), overflow="fold")
    for heading in _NUMBERS.values():
        grid.add_column(heading, justify="right", no_wrap=True)
    for found in counters(run):
        entries = row(found, measures(found.cells, list(_NUMBERS))).entries
        leading = [rich_text(str(entries[column.name])) for column in leading_columns(run)]
        grid.add_row(*leading, *(_number(entries[column.name], column) for column in _NUMBERS))
    return grid


def audit_lines(folder: Path) -> list[str]:
    """What the audits of training sets found, a line each, for the end of a run.

    Raises:
        InputError: the folder is not a run, or a file in it is unusable.
    """
    lines = []
    for audited in Run.read(folder).audits:
        lines.append(f"audit of the set of {audited.file.cell}: {audit_words(audited)}")
        if audited.shared is not None:
            lines.append(f"what its images share: {audited.folder.path / audited.recovered_file}")
    return lines


def _number(entry: Entry, column: Column) -> str:
    return entry.text(column.digits, signed=column.signed) if isinstance(entry, Value) else NONE
