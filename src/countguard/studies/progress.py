"""Progress of a run: one bar with the remaining time, and a log with times."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from countguard.defenses.defense import Defense
from countguard.progress import bar, counted, log
from countguard.studies.cells import Cell
from countguard.training.callbacks import EpochReport
from countguard.training.settings import Training


class StudyProgress:
    """Counts the epochs of all cells of a study. Without a terminal, only the log is written."""

    def __init__(self, cells: list[Cell], console: Console) -> None:
        self._bar = bar(console, "epochs")
        self._task = self._bar.add_task("starting", total=sum(_epochs(cell) for cell in cells))

    def __enter__(self) -> "StudyProgress":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    @contextmanager
    def cell(self, cell: Cell) -> Iterator[EpochReport]:
        """Shows the cell while it runs; yields a function to call after each of its epochs."""
        before = self._bar.tasks[self._task].completed
        self._bar.update(self._task, description=cell.name)
        log.info("%s: started", cell.name)

        def report(epoch: int, loss: float) -> None:
            self._bar.update(self._task, completed=before + epoch)
            log.info("%s: epoch %d, loss %.6g", cell.name, epoch, loss)

        yield report
        self.finished(cell, before)

    def finished(self, cell: Cell, before: float | None = None) -> None:
        """Counts all epochs of a cell as done."""
        start = self._bar.tasks[self._task].completed if before is None else before
        self._bar.update(self._task, completed=start + _epochs(cell))
        log.info("%s: finished", cell.name)


@contextmanager
def epochs_shown(training: Training | Defense, epochs: int | None = None) -> Iterator[EpochReport]:
    """A bar, or lines, for the epochs of one training; `epochs` where its settings do not tell how many it has."""
    with counted("epochs", epochs or _epochs_of(training)) as progress:
        begun = False

        def report(epoch: int, loss: float) -> None:
            nonlocal begun
            if not begun and epoch > 1:  # a training that goes on
                progress.start_at(epoch - 1)
            begun = True
            log.info("epoch %d, loss %.6g", epoch, loss)
            progress(epoch)

        yield report


def _epochs(cell: Cell) -> int:
    return _epochs_of(cell.defense or cell.relearn or cell.recipe.training)


def _epochs_of(training: Training | Defense) -> int:
    """Epochs of a training; a repair without a training counts as one."""
    return training.epochs if isinstance(training, Training) else 1
