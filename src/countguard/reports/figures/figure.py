"""What a figure is: a name, a function that draws it from a run, and what it needs."""

from collections.abc import Callable
from dataclasses import dataclass

from countguard.registry import Registry
from countguard.reports.figures.drawn import Drawn
from countguard.runs.run import Run

Draw = Callable[[Run], list[Drawn]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the report.

    Attributes:
        name: a few words.
        draw: gives the figures that a run has the data for, to be saved in `countguard.reports.figures.style.style`.
        needs: what a run must have for it, a phrase; empty where its absence says nothing.
    """

    name: str
    draw: Draw
    needs: str = ""


FIGURES: Registry[Figure] = Registry("figure", lambda entry: isinstance(entry, Figure))
"""Every figure by its name; `figure` enters one."""


def figure(name: str, needs: str = "") -> Callable[[Draw], Draw]:
    """A decorator that enters a function as a figure; see `Figure` for the arguments."""

    def enter(draw: Draw) -> Draw:
        FIGURES.register(name)(Figure(name, draw, needs))
        return draw

    return enter
