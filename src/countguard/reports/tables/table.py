"""What a table is, before it becomes CSV, LaTeX or HTML."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from countguard.metrics.intervals import Interval
from countguard.runs.run import FinishedCell

MINUS = "\N{MINUS SIGN}"
NONE = "–"
"""Stands where a value is undefined."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number with what is known about its uncertainty.

    Attributes:
        value: the measured value; the mean where there are several seeds.
        low, high: its 95 % bootstrap interval over images; smallest and largest of the seeds where there are several;
            None where neither is known.
        seeds: how many counters it is the mean of.
    """

    value: float
    low: float | None = None
    high: float | None = None
    seeds: int = 1

    def text(self, digits: int, *, signed: bool = False) -> str:
        """The value alone."""
        if not math.isfinite(self.value):
            return "not finite"
        return format_number(self.value, digits, signed=signed)

    def range_text(self, digits: int, *, signed: bool = False) -> str:
        """The interval, or the spread over seeds; empty where there is none."""
        if self.low is None or self.high is None or not math.isfinite(self.low + self.high):
            return ""
        ends = [format_number(end, digits, signed=signed) for end in (self.low, self.high)]
        return f"({ends[0]} to {ends[1]})" if self.seeds > 1 else f"[{ends[0]}, {ends[1]}]"


@dataclass(frozen=True, slots=True)
class Published:
    """What the paper prints for a cell.

    Attributes:
        value: in the table that is reproduced.
        others: different values that the paper gives for the same quantity elsewhere.
    """

    value: float
    others: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in CSV, its headings, and how its numbers are rounded.

    Attributes:
        name: as in results.csv where it is one of those.
        heading: the symbol; `subscript` and `note` follow it, smaller.
        tex: the heading in LaTeX.
        digits: after the decimal point.
        signed: a plus sign before positive numbers.
    """

    name: str
    heading: str
    tex: str
    subscript: str = ""
    note: str = ""
    digits: int = 3
    signed: bool = False


Entry = Value | str | None


@dataclass(frozen=True, slots=True)
class Row:
    """Entries by column name; a column that is absent is undefined here.

    Attributes:
        published: the paper's values, by column name.
        deviations: what was done otherwise than in the paper, a phrase each, where its values stand.
    """

    entries: Mapping[str, Entry]
    published: Mapping[str, Published] = field(default_factory=dict)
    deviations: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A named table.

    Attributes:
        name: of its files.
        title, caption: plain text.
        notes: sentences below it.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def has_published(self, column: Column) -> bool:
        """Whether the paper's values stand beside this column's."""
        return any(column.name in row.published for row in self.rows)

    def seeds(self, column: Column) -> int:
        """Most seeds behind one of this column's numbers; 0 for a column of text."""
        entries = (row.entries.get(column.name) for row in self.rows)
        return max((entry.seeds for entry in entries if isinstance(entry, Value)), default=0)

    def has_range(self, column: Column) -> bool:
        """Whether intervals, or spreads, are known for this column."""
        entries = (row.entries.get(column.name) for row in self.rows)
        return any(isinstance(entry, Value) and entry.low is not None for entry in entries)


def over_seeds(intervals: Sequence[Interval]) -> Value | None:
    """One number for a row: with its interval for one seed, mean and spread for several; None for none."""
    if len(intervals) < 2:
        return next((Value(interval.value, interval.low, interval.high) for interval in intervals), None)
    values = [interval.value for interval in intervals]
    return Value(sum(values) / len(values), min(values), max(values), seeds=len(values))


def measured(cells: Sequence[FinishedCell], metric: str) -> Value | None:
    """A metric of the cards of one row; None where it is undefined or nothing is finished."""
    return over_seeds([cell.card.metrics[metric] for cell in cells if metric in cell.card.metrics])


def format_number(number: float, digits: int, *, signed: bool = False) -> str:
    """Rounded, with a true minus sign and no negative zero."""
    text = f"{number:+.{digits}f}" if signed else f"{number:.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", MINUS)
