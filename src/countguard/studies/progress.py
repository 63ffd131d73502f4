"""Progress of a run: one bar with the remaining time, and a log with times."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from countguard.defenses.defense import Defense
from countguard.studies.cells import Cell
from countguard.training.callbacks import EpochReport
from countguard.training.settings import Training
from countguard.writing import open_in_place

log = logging.getLogger("countguard")


class StudyProgress:
    """Counts the epochs of all cells of a study. Without a terminal, only the log is written."""

    def __init__(self, cells: list[Cell], console: Console) -> None:
        self._bar = _bar(console, "epochs")
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
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar for `total` things; yields a function to call with the number that are done."""
    with _bar(Console(stderr=True), what) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def epochs_shown(training: Training | Defense) -> Iterator[EpochReport]:
    """A bar for the epochs of one training."""
    with counted("epochs", _epochs_of(training)) as progress:
        yield lambda epoch, loss: progress(epoch)


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Appends countguard's log, with times, to a file; raises as `open_in_place`."""
    file = io.TextIOWrapper(open_in_place(path), encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        handler.close()
        file.close()


def _bar(console: Console, unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}", justify="left", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _epochs(cell: Cell) -> int:
    return _epochs_of(cell.defense or cell.recipe.training)


def _epochs_of(training: Training | Defense) -> int:
    """Epochs of a training; a repair without a training counts as one."""
    return training.epochs if isinstance(training, Training) else 1
