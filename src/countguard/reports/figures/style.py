"""How every figure looks: one palette that colour-blind readers can tell apart, and never colour alone.

The palette is Okabe and Ito's (2008). Strategies and counters share no colour, so that none means two things.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

BLUE = "#0072B2"
INK = "#222222"
FAINT = "#6e6e6e"
RULE = "#d9d9d9"
BOX = "#56B4E9"
"""Round what the attack changed: readable on dark maps and on photographs."""
DENSITY_COLOURS = "inferno"
"""Rises evenly in lightness, so that it reads without colour."""

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # names come from files: a dollar sign is a dollar sign
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 160,
    "image.interpolation": "nearest",
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "countguard",  # the same ids each time
}

LineStyle = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Look:
    """How one series is drawn everywhere."""

    colour: str
    line: LineStyle
    marker: str


CLEAN_COUNTER = Look("#444444", (0, (1, 1.2)), "D")
ATTACKED = Look("#D55E00", "-", "o")
_REPAIRED = (
    Look(BLUE, "--", "s"),
    Look("#000000", (0, (5, 1.5)), "^"),
    Look("#8c8c8c", (0, (3, 1, 1, 1)), "v"),
    Look(BLUE, (0, (1, 1)), "P"),
    Look("#000000", (0, (1, 2)), "X"),
    Look("#8c8c8c", (0, (6, 2)), "<"),
)
_STRATEGIES = {
    "clean": Look("#000000", "-", "D"),
    "add": Look("#56B4E9", (0, (4, 1.5)), "^"),
    "minus": Look("#CC79A7", "-", "o"),
    "multiply": Look("#E69F00", (0, (5, 1, 1, 1)), "s"),
    "divide": Look("#009E73", (0, (1.5, 1)), "v"),
}
_OTHER_STRATEGIES = (
    Look("#8c8c8c", "-", "P"),
    Look("#E69F00", (0, (1, 1)), "X"),
    Look("#56B4E9", (0, (1, 1)), "<"),
    Look("#CC79A7", (0, (4, 1.5)), ">"),
)


def strategy_look(strategy: str, others: tuple[str, ...] = ()) -> Look:
    """A strategy's look; strategies that the paper does not have take theirs by their place in `others`."""
    if strategy in _STRATEGIES:
        return _STRATEGIES[strategy]
    unknown = [other for other in others if other not in _STRATEGIES]
    place = unknown.index(strategy) if strategy in unknown else 0
    return _OTHER_STRATEGIES[place % len(_OTHER_STRATEGIES)]


def repaired_look(defense: str, defenses: tuple[str, ...]) -> Look:
    """A repair's look, by its place among the run's repairs."""
    return _REPAIRED[defenses.index(defense) % len(_REPAIRED)]


@contextmanager
def style() -> Iterator[None]:
    """Draws and saves in this style; what was set before comes back."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that belongs to no window and no global list."""
    return Figure(figsize=(width, height), layout="constrained")


def panels(
    figure: Figure | SubFigure,
    rows: int,
    columns: int,
    *,
    share_x: bool = True,
    share_y: Literal[False, "row"] = "row",
    widths: Sequence[float] | None = None,
) -> list[list[Axes]]:
    """A grid of axes, row by row; rows share their y axis and all the x axis, unless told otherwise."""
    grid = figure.subplots(rows, columns, sharex=share_x, sharey=share_y, squeeze=False, width_ratios=widths)
    return [list(row) for row in grid]


def bare(axes: Axes) -> None:
    """No ticks and no frame: for pictures."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
