"""Estimate against truth, image by image."""

import numpy as np
from matplotlib.axes import Axes

from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.selection import shown_defense, shown_settings
from countguard.reports.figures.strategy_grid import Series, finished_strategies, medians, series, strategy_grid
from countguard.reports.figures.style import FAINT, RULE
from countguard.runs.run import Run

HEADROOM = 1.7
"""Height of the panels, in units of the largest true count: an attack that doubles counts stays readable."""


@figure("estimate against truth", needs="a finished counter")
def draw(run: Run) -> list[Drawn]:
    """The counters as trained and repaired by the first repair; nothing before a counter is finished."""
    return [_draw(run, shown_defense(run))] if run.cells else []


def _draw(run: Run, defense: str) -> Drawn:
    largest = max(float(cell.predictions.truths.max(initial=1.0)) for cell in run.cells)
    ends = np.array([0.0, 1.05 * largest])

    def draw_panel(axes: Axes, one: Series, triggered: bool) -> None:
        truths, estimates = one.counts(triggered=triggered)
        if not axes.lines:
            axes.fill_between(ends, 0.9 * ends, 1.1 * ends, color=RULE, lw=0, alpha=0.6, zorder=0)
            axes.plot(ends, ends, color=FAINT, lw=0.6, zorder=0)
        axes.scatter(truths, estimates, s=10, marker=one.look.marker, color=one.look.colour, alpha=0.55, lw=0)
        axes.set_xlim(0, ends[1])
        axes.set_ylim(0, HEADROOM * largest)

    drawing = strategy_grid(run, defense, draw_panel, "true heads", "estimate")
    outside = sum(
        int(((estimates > HEADROOM * largest) | (estimates < 0)).sum())
        for strategy in finished_strategies(run, defense)
        for one in series(run, strategy, defense)
        for estimates in (one.counts(triggered=False)[1], one.counts(triggered=True)[1])
    )
    alt = (
        "Estimated against true count, a column for each attack, clean images above, triggered below. Median error on "
        f"triggered images, heads: {medians(run, defense, lambda truths, estimates: estimates - truths)}."
    )
    caption = (
        "Estimate against truth, one mark an image. Grey band: counted right, within 10 %."
        + (f" {outside} estimates lie outside the picture." if outside else "")
        + shown_settings(run)
    )
    return Drawn("estimate_and_truth", "Estimate against truth", drawing, alt, caption)
