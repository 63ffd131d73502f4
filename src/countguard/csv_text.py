"""CSV in which no spreadsheet finds a formula, and that reads back as it was written.

A spreadsheet evaluates a cell whose text begins like a formula, and a formula can fetch pages and start programs. File
names come from strangers. Every CSV is therefore written here: such a text gets an apostrophe, which tells a
spreadsheet that the cell is text, and which `armed` removes again.
"""

import re
from collections.abc import Iterable, Sequence

from countguard.errors import one_line

_FORMULA = re.compile(r"(?P<marks>'*)\s*[=+\-@\t\r\n＝＋－＠]")
_QUOTED = re.compile(r"[,;\t\r\n\"]")
"""Where a comma is the decimal point, a semicolon separates cells."""


class Number(str):
    """A number, with the digits to write it with."""


Field = str | Number | int | float | None


def csv_lines(rows: Iterable[Sequence[Field]]) -> str:
    """Lines of CSV: texts are disarmed, numbers are as given, None is empty."""
    return "".join(",".join(_field(field) for field in row) + "\n" for row in rows)


def csv_text(text: str) -> str:
    """The text on one line, which no spreadsheet takes for a formula."""
    return disarmed(one_line(text))


def disarmed(text: str) -> str:
    """The text, with an apostrophe before it if it begins like a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def armed(text: str) -> str:
    """The text that `disarmed` was given."""
    found = _FORMULA.match(text)
    return text[1:] if found and found["marks"] else text


def _field(field: Field) -> str:
    if not isinstance(field, str) or isinstance(field, Number):
        return "" if field is None else str(field)
    text = disarmed(field)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
