"""inspect.html: what was found out of a stranger's counter, on one page with everything in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from countguard.operate.inspection import Inspection
from countguard.operate.pages import page_from, source_of

ROWS = 100
"""Pictures that the page lists; inspect.json has them all."""
WIDEST = 1.0
"""Change of a count at which a bar ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture, as it is or under a trigger, uint8 [3, H, W], and how many people are counted in it."""

    name: str
    image: Tensor
    count: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A trigger's change of the count as a bar; places are per cent from the left, where 50 is no change."""

    name: str
    said: str
    left: float
    width: float
    moved: str


def inspect_page(found: Inspection, examples: Sequence[Example]) -> bytes:
    """The page as HTML: no script, nothing from the network, every text escaped."""
    ordered = sorted(found.triggers, key=lambda one: -abs(one.change))
    return page_from(
        "inspect.html.j2",
        found=found,
        bars=[_bar(one.trigger, one.change, one.low, one.high, one.moved) for one in ordered],
        shown=[(example.name, source_of(example.image), f"{example.count:.1f}") for example in examples],
        rows=found.pictures[:ROWS],
        more=len(found.pictures) - len(found.pictures[:ROWS]),
    )


def _bar(name: str, change: float, low: float, high: float, moved: float) -> Bar:
    ends = sorted(50 + 50 * max(-WIDEST, min(WIDEST, value)) / WIDEST for value in (low, high))
    return Bar(
        name.replace("_", " "),
        f"{change:+.0%} [{low:+.0%}, {high:+.0%}]",
        round(ends[0], 2),
        round(max(ends[1] - ends[0], 0.6), 2),
        f"{moved:.0%}",
    )
