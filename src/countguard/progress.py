"""Progress of work that takes more than a moment: a bar on a terminal, a line every ten seconds elsewhere, a log."""

import io
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from countguard.writing import open_in_place

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

log = logging.getLogger("countguard")
told = logging.getLogger("countguard.progress")
"""Takes the lines of progress; the command line shows them on stderr."""

EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


class Shown:
    """How far work is; called with the number of things that are done. This one shows nothing."""

    def __call__(self, done: int) -> None:
        """So many are done."""

    def start_at(self, done: int) -> None:
        """So many were done before, and say nothing of the time that one takes."""

    def at(self, what: str) -> None:
        """What is being done now, beside the number of what is done."""

    def left(self, seconds: float) -> None:
        """How long the rest takes, where things of several kinds do not take the same time each."""


@contextmanager
def counted(what: str, total: int | None, *, start: int = 0, console: "Console | None" = None) -> Iterator[Shown]:
    """Shows how far work on `total` things is; yields what to call with the number that are done.

    Shows nothing where the logger `countguard.progress` is not to tell of it; a console that is given gets its bar
    unless that logger is told to be quiet.

    Args:
        what: the things.
        total: how many there are; None where nobody knows.
        start: how many were done before.
        console: where a bar is drawn if it is a terminal; stderr by default.
    """
    enough = logging.INFO if console is None else logging.WARNING
    if told.isEnabledFor(enough) and (sys.stderr.isatty() if console is None else console.is_terminal):
        from rich.console import Console

        with bar(console or Console(stderr=True), what) as shown:
            on_bar = _Bar(shown, what, total)
            on_bar.start_at(start)
            yield on_bar
    elif not told.isEnabledFor(logging.INFO):
        yield Shown()
    else:
        with _Lines(what, total) as lines:
            lines.start_at(start)
            yield lines


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


def bar(console: "Console", unit: str) -> "Progress":
    """A bar with the time that is left; disabled where the console is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.text import Text

    class Left(Remaining):
        def render(self, task: Task) -> Text:
            seconds = task.fields.get("left")
            if seconds is None or task.finished:
                return super().render(task)
            return Text(str(timedelta(seconds=round(seconds))), style="progress.remaining")

    return Progress(
        TextColumn("{task.description}", justify="left", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        Left(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # rows that go to a pipe stay in the pipe
    )


def duration(seconds: float) -> str:
    """A time in words, as coarse as it can be read: `8 s`, `3 min`, `2 h 10 min`."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"


class _Bar(Shown):
    def __init__(self, shown: "Progress", what: str, total: int | None) -> None:
        self._shown, self._total = shown, total
        self._task = shown.add_task(what, total=total)

    def __call__(self, done: int) -> None:
        self._shown.update(self._task, completed=done)

    def start_at(self, done: int) -> None:
        self._shown.reset(self._task, completed=done, total=self._total)

    def at(self, what: str) -> None:
        self._shown.update(self._task, description=what)

    def left(self, seconds: float) -> None:
        self._shown.update(self._task, left=seconds)


class _Lines(Shown):
    """A line every so often, by a thread of its own: one thing may take longer than that."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total = what, total
        self.start = self.done = 0
        self.now = ""
        self._left: float | None = None
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "_Lines":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def __call__(self, done: int) -> None:
        self.done = done

    def start_at(self, done: int) -> None:
        self.start = self.done = done

    def at(self, what: str) -> None:
        self.now = what

    def left(self, seconds: float) -> None:
        self._left = seconds

    def _tell(self) -> None:
        while not self._ended.wait(EVERY):
            told.info(self.line(time.monotonic() - self._began))

    def line(self, seconds: float) -> str:
        """What is done after so many seconds, and how long the rest takes at this pace."""
        of = "" if self.total is None else f" of {self.total}"
        new = self.done - self.start
        rest = self._left
        if rest is None and self.total is not None and new > 0:
            rest = (self.total - self.done) * seconds / new
        left = "" if rest is None else f", {duration(rest)} left"
        now = f" ({self.now})" if self.now else ""
        return f"{self.what}: {self.done}{of} done in {duration(seconds)}{left}{now}"
