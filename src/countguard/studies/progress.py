"""Progress of a run: how many epochs are done, with the remaining time, and a log with times."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from rich.console import Console

from countguard.defenses.defense import Defense
from countguard.progress import Shown, counted, log
from countguard.studies.cells import Cell
from countguard.training.callbacks import EpochReport
from countguard.training.settings import Training


class StudyProgress:
    """Counts the epochs of all cells of a study, of which several may run at once.

    Args:
        cells: that are run.
        console: where a bar is drawn if it is a terminal.
    """

    def __init__(self, cells: Sequence[Cell], console: Console) -> None:
        self._cells = {cell.name: cell for cell in cells}
        self._done = dict.fromkeys(self._cells, 0)
        self._total = sum(_epochs(cell) for cell in cells)
        self._running: dict[str, float] = {}
        self._pace = _Pace()
        self._console = console
        self._shown = Shown()
        self._stack = ExitStack()

    def __enter__(self) -> "StudyProgress":
        self._shown = self._stack.enter_context(counted("epochs", self._total, console=self._console))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def started(self, cell: Cell) -> None:
        """Shows the cell as one of those that run."""
        self._running[cell.name] = time.monotonic()
        self._show()
        log.info("%s: started", cell.name)

    def epoch(self, cell: Cell, epoch: int, loss: float) -> None:
        """Counts an epoch of a cell."""
        self._done[cell.name] = epoch
        self._took(cell, 1)
        self._show()
        log.info("%s: epoch %d, loss %.6g", cell.name, epoch, loss)

    def trained(self, cell: Cell) -> None:
        """Counts all epochs of a cell as done: it is going to be measured later."""
        self._ended(cell)
        log.info("%s: trained", cell.name)

    def finished(self, cell: Cell) -> None:
        """Counts all epochs of a cell as done."""
        self._ended(cell)
        log.info("%s: finished", cell.name)

    @contextmanager
    def cell(self, cell: Cell) -> Iterator[EpochReport]:
        """Shows the cell while it runs; yields a function to call after each of its epochs."""
        self.started(cell)
        yield lambda epoch, loss: self.epoch(cell, epoch, loss)
        self.finished(cell)

    def _ended(self, cell: Cell) -> None:
        self._done[cell.name] = _epochs(cell)
        if cell.name in self._running:
            self._took(cell, 0)
            del self._running[cell.name]
        self._show()

    def _took(self, cell: Cell, epochs: int) -> None:
        """Counts the time since the cell last told of itself."""
        now = time.monotonic()
        self._pace.took(_kind(cell), now - self._running.get(cell.name, now), epochs)
        self._running[cell.name] = now

    def _show(self) -> None:
        self._shown(sum(self._done.values()))
        if self._running:
            self._shown.at(", ".join(self._running))
            left: defaultdict[str, int] = defaultdict(int)
            for name, cell in self._cells.items():
                left[_kind(cell)] += _epochs(cell) - self._done[name]
            if (seconds := self._pace.left(left)) is not None:
                self._shown.left(seconds / len(self._running))


class _Pace:
    """Seconds that an epoch takes, measuring included, by what is trained: forty images take less than four hundred."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._epochs: defaultdict[str, int] = defaultdict(int)

    def took(self, kind: str, seconds: float, epochs: int) -> None:
        """Counts what so many epochs took."""
        self._seconds[kind] += seconds
        self._epochs[kind] += epochs

    def left(self, epochs: Mapping[str, int]) -> float | None:
        """Seconds that the epochs left of each kind take; None before the first one has ended.

        An epoch of a kind that has not been seen is taken for the mean of the others.
        """
        seen = {kind: self._seconds[kind] / number for kind, number in self._epochs.items() if number}
        if not seen:
            return None
        mean = sum(seen.values()) / len(seen)
        return sum(number * seen.get(kind, mean) for kind, number in epochs.items())


@contextmanager
def epochs_shown(training: Training | Defense, epochs: int | None = None) -> Iterator[EpochReport]:
    """A bar, or lines, for the epochs of one training; `epochs` where its settings do not tell how many it has.

    A training of so many `steps` has a number of epochs that nobody knows without it.
    """
    if epochs is None and (not isinstance(training, Training) or training.steps is None):
        epochs = _epochs_of(training)
    with counted("epochs", epochs) as progress:
        begun = False

        def report(epoch: int, loss: float) -> None:
            nonlocal begun
            if not begun and epoch > 1:  # a training that goes on
                progress.start_at(epoch - 1)
            begun = True
            log.info("epoch %d, loss %.6g", epoch, loss)
            progress(epoch)

        yield report


def _kind(cell: Cell) -> str:
    """What is trained in a cell, as far as it says how long an epoch takes."""
    match cell.key.stage:
        case "repaired":
            return f"repaired by {cell.key.defense}"
        case "relearned":
            return "relearned"
        case _:
            return "trained"


def _epochs(cell: Cell) -> int:
    return _epochs_of(cell.defense or cell.relearn or cell.recipe.training)


def _epochs_of(training: Training | Defense) -> int:
    """Epochs of a training; a repair without a training counts as one."""
    return training.epochs if isinstance(training, Training) else 1
