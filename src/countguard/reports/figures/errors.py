"""Error against density: whether full and empty images are miscounted alike."""

import numpy as np
from matplotlib.axes import Axes

from countguard.metrics.ratios import Floats
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.selection import shown_defense, shown_settings
from countguard.reports.figures.strategy_grid import Series, medians, strategy_grid
from countguard.reports.figures.style import FAINT, RULE
from countguard.runs.run import Run

BULK = 0.85
"""Part of all quartiles that the y axis covers at least; a few almost empty images would flatten the others."""
GROUPS = 6
"""At most; of equal numbers of images, by true count."""
FEWEST_IN_GROUP = 4


def error_quartiles(truths: Floats, estimates: Floats) -> Floats:
    """Relative errors by true count: [groups, 4], a group's median count and its errors' quartiles in percent."""
    order = np.argsort(truths, kind="stable")
    groups = np.array_split(order, max(1, min(GROUPS, len(order) // FEWEST_IN_GROUP)))
    rows = [
        [np.median(truths[group]), *np.percentile(100 * (estimates[group] / truths[group] - 1), [25, 50, 75])]
        for group in groups
        if len(group)
    ]
    return np.array(rows).reshape(-1, 4)


@figure("error against density", needs="a finished counter")
def draw(run: Run) -> list[Drawn]:
    """The counters as trained and repaired by the first repair; nothing before a counter is finished."""
    return [_draw(run, shown_defense(run))] if run.cells else []


def _draw(run: Run, defense: str) -> Drawn:
    drawing = strategy_grid(run, defense, _draw_panel, "true heads", "error, % of the truth", _show_bulk)
    alt = (
        "Relative error against true count, a column for each attack, clean images above, triggered below. Median "
        "error on triggered images, %: "
        f"{medians(run, defense, lambda truths, estimates: 100 * (estimates / truths - 1))}."
    )
    caption = (
        f"Error against density: images in up to {GROUPS} groups of equal size by their true count; line: median, "
        f"shade: middle half. Grey band: counted right, within 10 %. What is far out may lie above the axis."
        f"{shown_settings(run)}"
    )
    return Drawn("error_and_density", "Error against density", drawing, alt, caption)


def _draw_panel(axes: Axes, one: Series, triggered: bool) -> None:
    counts, low, median, high = error_quartiles(*one.counts(triggered=triggered)).T
    if not axes.lines:
        axes.axhspan(-10, 10, color=RULE, lw=0, alpha=0.6, zorder=0)
        axes.axhline(0, color=FAINT, lw=0.6, zorder=0)
    axes.fill_between(counts, low, high, color=one.look.colour, alpha=0.15, lw=0)
    axes.plot(counts, median, color=one.look.colour, ls=one.look.line, marker=one.look.marker)
    axes.set_xlim(left=0)


def _show_bulk(axes: Axes) -> None:
    """Ends the y axis above most of what is drawn; nothing is below -100 % but estimates below 0."""
    ends = [
        ends
        for other in axes.get_shared_y_axes().get_siblings(axes)
        for shade in other.collections
        for path in shade.get_paths()
        if len(ends := path.vertices[:, 1])
    ]
    if ends:
        values = np.concatenate(ends)
        low, high = np.quantile(values, [1 - BULK, BULK])
        room = max(1.5 * float(high - low), 30.0)
        axes.set_ylim(max(float(values.min()) - 5, float(low) - room), min(float(values.max()) + 5, float(high) + room))
