"""Small pieces of sentences."""

from collections.abc import Sequence
from typing import Any

from countguard.errors import one_line
from countguard.runs.run import lookup


def join(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *others, last = names or [""]
    return f"{', '.join(others)} and {last}" if others else last


def plain(text: str, length: int) -> str:
    """A text of a stranger's for a figure: printable, on one line, cut where it is long."""
    line = one_line(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def attack_words(study: dict[str, Any]) -> str:
    """How images are poisoned: share of the images, trigger and its strength."""
    rate, kind, alpha = (lookup(study, f"attack.{name}") for name in ("rate", "trigger.kind", "trigger.alpha"))
    share = f"{percent(rate)} of the images" if isinstance(rate, int | float) else "some images"
    trigger = f"{percent(alpha)} {kind}" if isinstance(alpha, int | float) else str(kind or "trigger")
    return plain(f"{share}, {trigger}", 60)


def percent(share: float) -> str:
    """0.125 as `12.5 %`."""
    return f"{100 * share:.4g} %"


def plural(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
