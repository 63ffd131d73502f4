"""How `countguard count` writes the counts of pictures: a table, CSV, JSON, and JSON lines."""

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from countguard.csv_text import Field, Number, csv_lines
from countguard.errors import one_line
from countguard.escaping import rich_text
from countguard.operate.count import PictureCount

COLUMNS = ("file", "count", "problem")
GUARDED = ("repaired", "alarm")
"""Columns that follow where a guard looks."""


def counts_table(counts: Sequence[PictureCount]) -> Table:
    """The counts for a terminal, with their sum."""
    counted = [row.count for row in counts if row.count is not None]
    skipped = len(counts) - len(counted)
    table = Table(show_footer=len(counts) > 1)
    footer = f"{len(counted)} counted" + (f", {skipped} skipped" if skipped else "")
    table.add_column("picture", footer=footer, overflow="fold")
    table.add_column("people", footer=f"{sum(counted):.1f}", justify="right")
    guarded = any(row.look for row in counts)
    if guarded:
        table.add_column("repaired", justify="right")
        table.add_column("alarm", footer=str(sum(row.look.alarm for row in counts if row.look)))
    for row in counts:
        people = Text("skipped", style="yellow") if row.count is None else Text(f"{row.count:.1f}")
        fields = [rich_text(str(row.file)), people]
        if row.look:
            alarm = Text("ALARM", style="bold red") if row.look.alarm else Text("no")
            fields += [Text(f"{row.look.repaired:.1f}"), alarm]
        table.add_row(*fields)
    return table


def csv_head(*, guarded: bool) -> str:
    """The first line of the CSV."""
    return csv_lines([(*COLUMNS, *(GUARDED if guarded else ()))])


def csv_row(row: PictureCount, *, guarded: bool) -> str:
    """A picture's line: file, count (empty where skipped), problem; with a guard also repaired and alarm (yes, no).

    A quote goes before what a sheet would compute.
    """
    count = None if row.count is None else Number(f"{row.count:.3f}")
    fields: list[Field] = [one_line(str(row.file)), count, one_line(row.problem)]
    if guarded and row.look:
        fields += [Number(f"{row.look.repaired:.3f}"), "yes" if row.look.alarm else "no"]
    elif guarded:
        fields += [None, None]
    return csv_lines([fields])


def counts_csv(counts: Sequence[PictureCount]) -> str:
    """The counts as CSV."""
    guarded = any(row.look for row in counts)
    return csv_head(guarded=guarded) + "".join(csv_row(row, guarded=guarded) for row in counts)


def json_line(row: PictureCount) -> str:
    """A picture's line of JSON: `{"file", "count"}`, or `{"file", "problem"}`; with a guard `repaired` and `alarm`."""
    return json.dumps(_counted(row) if row.count is not None else _skipped(row), ensure_ascii=False) + "\n"


def counts_json(counts: Sequence[PictureCount]) -> str:
    """The counts as one JSON value: `{"images": [{"file", "count"}], "total", "skipped": [{"file", "problem"}]}`."""
    images = [_counted(row) for row in counts if row.count is not None]
    skipped = [_skipped(row) for row in counts if row.count is None]
    total = round(sum(row.count for row in counts if row.count is not None), 3)
    return json.dumps({"images": images, "total": total, "skipped": skipped}, indent=2, ensure_ascii=False)


def _counted(row: PictureCount) -> dict[str, Any]:
    assert row.count is not None
    fields: dict[str, Any] = {"file": one_line(str(row.file)), "count": round(row.count, 3)}
    if row.look:
        fields |= {"repaired": round(row.look.repaired, 3), "alarm": row.look.alarm}
    return fields


def _skipped(row: PictureCount) -> dict[str, Any]:
    return {"file": one_line(str(row.file)), "problem": one_line(row.problem)}
