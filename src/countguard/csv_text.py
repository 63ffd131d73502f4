"""CSV that no spreadsheet takes for a program, and that reads back as it was written.

A spreadsheet computes a cell whose text begins like a formula, and a formula can fetch pages and start programs. Names
of files come from strangers. So every CSV is written here: such a text gets an apostrophe, which a spreadsheet takes
for a mark of text, and which `armed` takes away again.
"""

import re
from collections.abc import Iterable, Sequence

from countguard.errors import one_line

_FORMULA = re.compile(r"(?P<marks>'*)\s*[=+\-@\t\r\n＝＋－＠]")
_QUOTED = re.compile(r"[,;\t\r\n\"]")
"""A semicolon parts cells, too, where a comma is a decimal point."""


class Number(str):
    """A number in the digits that it is to be written with."""


Field = str | Number | int | float | None


def csv_lines(rows: Iterable[Sequence[Field]]) -> str:
    """Lines of CSV: texts disarmed, numbers as they are, None left empty."""
    return "".join(",".join(_field(field) for field in row) + "\n" for row in rows)


def csv_text(text: str) -> str:
    """A text on one line that no spreadsheet takes for a formula."""
    return disarmed(one_line(text))


def disarmed(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like it gets an apostrophe."""
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
