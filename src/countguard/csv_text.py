"""Strangers' text in CSV files."""

from countguard.errors import one_line

_FORMULA = ("=", "+", "-", "@")


def csv_text(text: str) -> str:
    """A text on one line that no spreadsheet takes for a formula: one that begins like it gets an apostrophe."""
    line = one_line(text)
    return f"'{line}" if line.startswith(_FORMULA) else line
