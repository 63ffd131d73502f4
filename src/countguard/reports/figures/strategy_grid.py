"""A panel for each attack, clean images above and triggered ones below, attacked and repaired counters in each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from countguard.metrics.ratios import Floats
from countguard.reports.figures.style import ATTACKED, Look, new_figure, panels, repaired_look
from countguard.reports.wording import counter_words
from countguard.runs.plan import CLEAN
from countguard.runs.run import FinishedCell, Run
from countguard.wording import plain


@dataclass(frozen=True, slots=True)
class Series:
    """The counters, a seed each, that one look stands for."""

    label: str
    look: Look
    cells: Sequence[FinishedCell]

    def counts(self, *, triggered: bool) -> tuple[Floats, Floats]:
        """True and estimated counts of the images with a head, all seeds; estimates that are no number go."""
        truths, estimates = [np.empty(0)], [np.empty(0)]
        for cell in self.cells:
            predictions = cell.predictions
            estimated = predictions.triggered if triggered else predictions.clean
            kept = predictions.has_ratio & np.isfinite(estimated)
            truths.append(predictions.truths[kept])
            estimates.append(estimated[kept])
        return np.concatenate(truths), np.concatenate(estimates)


def series(run: Run, strategy: str, defense: str) -> list[Series]:
    """The finished counters of a strategy: as trained and, if a defense is given, defended by it."""
    found = [Series("as trained", ATTACKED, run.select(run.reference, strategy))]
    if defense:
        look = repaired_look(defense, run.defenses)
        cells = run.select(run.reference, strategy, defense)
        found.append(Series(counter_words(run, defense, length=30), look, cells))
    return [one for one in found if one.cells]


def finished_strategies(run: Run, defense: str) -> list[str]:
    """Those with a counter to show, the clean counter first."""
    return [name for name in (CLEAN, *run.strategies) if series(run, name, defense)]


def strategy_grid(
    run: Run,
    defense: str,
    draw_panel: Callable[[Axes, Series, bool], None],
    x_label: str,
    y_label: str,
    finish_row: Callable[[Axes], None] = lambda axes: None,
) -> Figure:
    """A figure whose panels `draw_panel` fills, one call for each series, told whether the images are triggered.

    `finish_row` is given the first axes of each row, with which the row shares its y axis, when all is drawn.
    """
    strategies = finished_strategies(run, defense)
    figure = new_figure(max(5.0, 2.1 * len(strategies) + 0.6), 4.9)
    grid = panels(figure, 2, len(strategies))
    looks: dict[str, Look] = {}
    for column, strategy in enumerate(strategies):
        for line, triggered in zip(grid, (False, True), strict=True):
            heading = "no attack" if strategy == CLEAN else plain(strategy, 14)
            line[column].set_title(f"{heading}, {'triggered' if triggered else 'clean'}")
            for one in series(run, strategy, defense):
                draw_panel(line[column], one, triggered)
                looks[one.label] = one.look
    for line in grid:
        line[0].set_ylabel(y_label)
        finish_row(line[0])
    figure.supxlabel(x_label, fontsize=9)
    handles = [Line2D([], [], color=look.colour, marker=look.marker, ls=look.line) for look in looks.values()]
    figure.legend(handles, list(looks), loc="outside upper left", ncols=len(looks), handlelength=3)
    return figure


def medians(run: Run, defense: str, statistic: Callable[[Floats, Floats], Floats]) -> str:
    """For the words beside a figure: the median of a statistic of (truths, estimates) on triggered images."""
    parts = []
    for strategy in finished_strategies(run, defense):
        for one in series(run, strategy, defense):
            truths, estimates = one.counts(triggered=True)
            if len(truths):
                parts.append(f"{strategy} {one.label} {np.median(statistic(truths, estimates)):+.0f}")
    return "; ".join(parts)
