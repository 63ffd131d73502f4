"""Figure 3 of the paper: how the ratio of estimate to truth is distributed."""

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import norm

from countguard.metrics.ratios import Floats
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.selection import ratios, shown_defense, shown_settings, suffix
from countguard.reports.figures.style import FAINT, RULE, new_figure, panels, strategy_look
from countguard.reports.wording import counter_words, defended_stage
from countguard.runs.plan import CLEAN
from countguard.runs.run import Run
from countguard.wording import plain

PAPERS_BANDWIDTH = 0.5
READABLE_BANDWIDTH = 0.05
"""Half the half-width of "counted right", so that what is right and what is not stay apart."""
_RANGES = {READABLE_BANDWIDTH: (0.0, 2.5), PAPERS_BANDWIDTH: (-1.0, 4.0)}


def kernel_density(values: Floats, at: Floats, bandwidth: float) -> Floats:
    """Gaussian kernel density estimate of `values`, at least one, with a bandwidth in their own unit.

    The same as scipy's `gaussian_kde` with `bw_method = bandwidth / std(ddof=1)`, and defined for equal values, too.
    """
    return np.asarray(norm.pdf(at[:, None], loc=values[None, :], scale=bandwidth).mean(axis=1))


@figure("distribution of the ratio", needs="a finished counter")
def draw(run: Run) -> list[Drawn]:
    """A readable one for each repair, and one with the paper's bandwidth; nothing before a counter is finished."""
    if not run.cells:
        return []
    readable = [_draw(run, defense, READABLE_BANDWIDTH, "ratio_density") for defense in run.defenses or ("",)]
    return [*readable, _draw(run, shown_defense(run), PAPERS_BANDWIDTH, "ratio_density_papers_bandwidth")]


def _draw(run: Run, defense: str, bandwidth: float, name: str) -> Drawn:
    limits = _RANGES[bandwidth]
    stages = ["", defense] if defense else [""]
    drawing = new_figure(5 * len(stages) + 0.2, 4.8)
    grid = panels(drawing, 2, len(stages))
    at = np.linspace(*limits, 501)
    drawn: set[str] = set()
    medians = []
    outside = 0
    for column, stage in enumerate(stages):
        label = counter_words(run, stage, plainly="as trained", length=30)
        for line, triggered in enumerate((False, True)):
            axes = grid[line][column]
            axes.set_title(f"{'Triggered' if triggered else 'Clean'} images, {label}")
            for strategy in (CLEAN, *run.strategies):
                cells = run.select(run.reference, strategy, stage)
                values = ratios(cells, triggered=triggered)
                if not len(values):
                    continue
                look = strategy_look(strategy, run.strategies)
                density = kernel_density(values, at, bandwidth)
                text = "clean counter" if strategy == CLEAN else plain(strategy, 24)
                axes.plot(at, density, color=look.colour, ls=look.line, label=text if text not in drawn else None)
                drawn.add(text)
                outside += int(((values < limits[0]) | (values > limits[1])).sum())
                if triggered:
                    medians.append(f"{text} {label} {np.median(values):.2f}")
    for axes in (axes for row in grid for axes in row):  # limits end automatic scaling, so all lines come first
        _mark_right(axes, limits)
    for row in grid:
        row[0].set_ylabel("density")
    for axes in grid[-1]:
        axes.set_xlabel("r = estimate / truth")
    drawing.legend(loc="outside upper center", ncols=len(drawn), handlelength=3)
    defended = defended_stage(run, defense)
    model = plain(run.cells[0].card.model, 30)
    alt = (
        f"Kernel density of r, bandwidth {bandwidth:g}, for {model}: rows clean and triggered images, columns "
        f"attacked and {defended} counters, a line for each strategy. Median r on triggered images: "
        f"{'; '.join(medians)}."
    )
    papers = (
        "the paper's bandwidth, five times the grey band's half-width" if bandwidth == PAPERS_BANDWIDTH else "readable"
    )
    caption = (
        f"Distribution of r = estimate / truth (the paper's Figure 3); Gaussian kernel, bandwidth {bandwidth:g} in "
        f"units of r ({papers}). Grey band: counted right, 0.9 to 1.1."
        + (f" {outside} values lie outside the picture." if outside else "")
        + shown_settings(run)
    )
    title = "Estimate over truth" + (", the paper's bandwidth" if bandwidth == PAPERS_BANDWIDTH else "")
    return Drawn(name + suffix(run, defense), title, drawing, alt, caption)


def _mark_right(axes: Axes, limits: tuple[float, float]) -> None:
    axes.axvspan(0.9, 1.1, color=RULE, lw=0, alpha=0.6, zorder=0)
    axes.axvline(1.0, color=FAINT, lw=0.6, zorder=0)
    axes.set_xlim(*limits)
    axes.set_ylim(bottom=0)
