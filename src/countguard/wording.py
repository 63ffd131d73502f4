"""Small pieces of sentences."""

from collections.abc import Sequence

from countguard.errors import one_line


def join(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *others, last = names or [""]
    return f"{', '.join(others)} and {last}" if others else last


def plain(text: str, length: int) -> str:
    """A stranger's text made fit for a figure: printable, on one line, shortened if it is long."""
    line = one_line(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def percent(share: float) -> str:
    """0.125 as `12.5 %`."""
    return f"{100 * share:.4g} %"


def plural(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
