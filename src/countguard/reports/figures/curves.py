"""Curves: success against the trigger's strength, and every measure against a setting that the recipe varies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from countguard.glyphs import drawable
from countguard.metrics.intervals import Interval
from countguard.reports.figures.style import Look, new_figure, panels
from countguard.wording import plain

SHADED = 3
"""Most curves in a panel that still are shaded; more would hide each other."""
DECADE = 10
APART = 0.12
"""Least distance of two ticks, as a part of the axis: closer labels would run into each other."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of one panel.

    Attributes:
        label, look: which counter.
        x: ascending.
        y: means; low, high: where the shade goes, equal to y for none.
    """

    label: str
    look: Look
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled set of curves."""

    title: str
    curves: Sequence[Curve]


def draw_curves(
    rows: Sequence[tuple[str, Sequence[Panel]]], x_label: str, ticks: Mapping[float, str] | None = None
) -> Figure:
    """Rows of panels of rates, up to 1: each row shares its y axis, whose label comes first; every panel shares x.

    Args:
        rows: of panels.
        x_label: of all panels.
        ticks: what each place on the x axis stands for, where it is no number; nothing is drawn between two of them.
    """
    columns = max(len(line) for _, line in rows)
    figure = new_figure(max(5.5, 2.6 * columns + 0.6), 0.9 + 2.1 * len(rows))
    grid = panels(figure, len(rows), columns)
    looks: dict[str, Look] = {}
    for axes_row, (y_label, line) in zip(grid, rows, strict=True):
        axes_row[0].set_ylabel(y_label)
        lowest = min((low for panel in line for curve in panel.curves for low in curve.low), default=0.0)
        axes_row[0].set_ylim(min(0.0, lowest) - 0.03, 1.03)
        for axes, panel in zip(axes_row, line, strict=False):
            axes.set_title(plain(panel.title, 26))
            if ticks is None:
                _place_ticks(axes, panel)
            else:
                axes.set_xticks(list(ticks), [drawable(plain(text, 16)) for text in ticks.values()], rotation=30)
                axes.margins(x=0.25)
            for number, curve in enumerate(panel.curves):
                if ticks is None:
                    _draw_curve(axes, curve, shaded=len(panel.curves) <= SHADED)
                else:
                    _draw_points(axes, curve, 0.08 * (number - (len(panel.curves) - 1) / 2))
                looks[curve.label] = curve.look
    figure.supxlabel(plain(x_label, 60), fontsize=9)
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ls=look.line if ticks is None else "")
        for look in looks.values()
    ]
    figure.legend(handles, list(looks), loc="outside upper left", ncols=min(4, len(looks)), handlelength=3)
    return figure


def _place_ticks(axes: Axes, panel: Panel) -> None:
    """Ticks at values that were measured; a logarithmic axis where they span more than a decade."""
    places = sorted({x for curve in panel.curves for x in curve.x})
    if places and places[0] > 0 and places[-1] > DECADE * places[0]:
        axes.set_xscale("log")
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.minorticks_off()
        return
    labelled: list[float] = []
    for place in places:
        if not labelled or place - labelled[-1] >= APART * (places[-1] - places[0]):
            labelled.append(place)
    axes.set_xticks(labelled, [f"{place:g}" for place in labelled])
    axes.set_xticks(places, minor=True)


def mean_curve(label: str, look: Look, points: Sequence[tuple[float, float]]) -> Curve:
    """A curve of (x, y), several y at one x being seeds: their mean, shaded from the smallest to the largest."""
    places = sorted({x for x, _ in points})
    values = [[y for x, y in points if x == place] for place in places]
    means = [float(np.mean(these)) for these in values]
    return Curve(
        plain(label, 40), look, places, means, [min(these) for these in values], [max(these) for these in values]
    )


def interval_curve(label: str, look: Look, points: Sequence[tuple[float, Interval]]) -> Curve:
    """A curve of measures: seeds as in `mean_curve`; where there is one seed, shaded is its 95 % interval."""
    if len({x for x, _ in points}) < len(points):
        return mean_curve(label, look, [(x, interval.value) for x, interval in points])
    ordered = sorted(points, key=lambda point: point[0])
    intervals = [interval for _, interval in ordered]
    return Curve(
        plain(label, 40),
        look,
        [x for x, _ in ordered],
        [interval.value for interval in intervals],
        [interval.low for interval in intervals],
        [interval.high for interval in intervals],
    )


def _draw_points(axes: Axes, curve: Curve, shift: float) -> None:
    """A point at each place, beside those of the other curves, with a line from the smallest to the largest."""
    x = [place + shift for place in curve.x]
    axes.vlines(x, curve.low, curve.high, color=curve.look.colour, lw=1)
    axes.plot(x, curve.y, color=curve.look.colour, ls="", marker=curve.look.marker)


def _draw_curve(axes: Axes, curve: Curve, *, shaded: bool) -> None:
    if shaded:
        axes.fill_between(curve.x, curve.low, curve.high, color=curve.look.colour, alpha=0.15, lw=0)
    axes.plot(curve.x, curve.y, color=curve.look.colour, ls=curve.look.line, marker=curve.look.marker)
