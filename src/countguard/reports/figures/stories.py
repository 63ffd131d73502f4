"""One test image as the clean, the attacked and the repaired counter see it."""

from dataclasses import dataclass

from countguard.reports.figures.selection import clean_cell, first_cell, pictured_strategies
from countguard.reports.figures.window import Window, largest_change
from countguard.runs.examples import Example
from countguard.runs.run import FinishedCell, Run


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """The first example of an attack; it is always the first, so that no picture is chosen for its looks.

    Attributes:
        strategy: of the attack.
        clean, attacked, repaired: the same image in three cells; None where that cell is missing.
        window: where the attack changes the map most, in cells: against the clean counter on the same triggered image
            or, where that is missing, against the true map.
    """

    strategy: str
    clean: Example | None
    attacked: Example
    repaired: Example | None
    window: Window


def stories(run: Run, defense: str) -> list[Story]:
    """One for each pictured strategy."""
    found = []
    for strategy in pictured_strategies(run):
        cell = first_cell(run, strategy)
        if cell is None:
            continue
        attacked = cell.examples[0]
        clean = _same(clean_cell(run), attacked)
        repaired = _same(first_cell(run, strategy, defense), attacked) if defense else None
        before = clean.map_triggered if clean else attacked.true_map
        window = largest_change(before, attacked.map_triggered)
        found.append(Story(strategy, clean, attacked, repaired, window))
    return found


def _same(cell: FinishedCell | None, example: Example) -> Example | None:
    """The same image in another cell, if its map has the same size."""
    for other in cell.examples if cell else ():
        if other.id == example.id and other.map_triggered.shape == example.map_triggered.shape:
            return other
    return None
