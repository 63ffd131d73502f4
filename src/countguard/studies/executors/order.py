"""In which order cells run where several run at once."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from countguard.studies.cells import Cell


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does at a time.

    Attributes:
        cell: which is run.
        whole: trained as far as it is not, and measured; otherwise only trained, ahead of cells that its measurement
            needs.
    """

    cell: Cell
    whole: bool


class Order:
    """Gives the cells of a study one after the other, each as soon as what it needs is there.

    A cell that many others wait for comes first, within its variant. Variants come one after the other, because they
    may have crowds of their own.

    Args:
        cells: that are not finished, each after those that it needs.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        wanted = Tally(name for cell in cells for name in cell.needs)
        variants = [list(variant) for _, variant in groupby(cells, key=lambda cell: id(cell.recipe))]
        in_order = [cell for variant in variants for cell in sorted(variant, key=lambda cell: -wanted[cell.name])]
        self._unfinished = {cell.name: cell for cell in in_order}
        self._untrained = set(self._unfinished)
        self._running: set[str] = set()

    def next(self) -> Task | None:
        """What can be started now; None where everything waits for a cell that runs, or nothing is left."""
        free = [cell for name, cell in self._unfinished.items() if name not in self._running]
        for cell in free:
            if self._unfinished.keys().isdisjoint(cell.needs):
                return self._started(Task(cell, whole=True))
        for cell in free:
            if cell.name in self._untrained and self._untrained.isdisjoint(cell.needs_to_train):
                return self._started(Task(cell, whole=False))
        return None

    def ended(self, task: Task) -> None:
        """Takes note that a task has ended well."""
        self._running.remove(task.cell.name)
        self._untrained.discard(task.cell.name)
        if task.whole:
            del self._unfinished[task.cell.name]

    def _started(self, task: Task) -> Task:
        self._running.add(task.cell.name)
        return task
