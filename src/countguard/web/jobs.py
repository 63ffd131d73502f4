"""Long work behind the page: in a thread of its own, with progress in words, and it can be cancelled."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from countguard.errors import InputError, RunError

T = TypeVar("T")
_LOOK_EVERY = 0.3
"""Seconds between two looks at the work."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where the work is.

    Attributes:
        words: what it does.
        done: how much of it is done, 0 to 1; None where that is not known.
    """

    words: str
    done: float | None = None


Say = Callable[[Step], None]


class CancelledJob(Exception):
    """The visitor does not want the result any more."""


class Job(Generic[T]):
    """Work that starts at once.

    Args:
        work: is given a function that it tells each step to. That function raises `CancelledJob` once the visitor has
            cancelled, so work ends at its next step.
    """

    def __init__(self, work: Callable[[Say], T]) -> None:
        self._work = work
        self._step = Step("Starting")
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def steps(self) -> Iterator[Step]:
        """Where the work is, several times a second until it is over; it is cancelled where nobody listens any more."""
        try:
            while not self._over.wait(_LOOK_EVERY):
                yield self._step
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Asks the work to end at its next step. Nothing happens to work that is over."""
        self._cancelled.set()

    def result(self) -> T:
        """What the work came to.

        Raises:
            CancelledJob: it was cancelled before its end.
            InputError, RunError: it raised this.
        """
        self._over.wait()
        if isinstance(self._error, InputError | RunError | CancelledJob):
            raise self._error
        if self._error is not None:
            raise RunError(f"this could not be done ({type(self._error).__name__}: {self._error})") from self._error
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work(self._say)
        except BaseException as error:  # the thread that asks for the result gets it
            self._error = error
        finally:
            self._over.set()

    def _say(self, step: Step) -> None:
        if self._cancelled.is_set():
            raise CancelledJob
        self._step = step


class Jobs:
    """The work of each visitor: at most one piece each, and a new one cancels the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_visitor: dict[str, Job[object]] = {}

    def start(self, visitor: str, work: Callable[[Say], T]) -> Job[T]:
        """Starts work for a visitor, who is known by the session's name."""
        job = Job(work)
        with self._lock:
            before = self._of_visitor.pop(visitor, None)
            self._of_visitor[visitor] = job  # type: ignore[assignment]
        if before is not None:
            before.cancel()
        return job

    def forget(self, visitor: str, job: Job[T]) -> None:
        """Keeps a visitor's work, and its result, no longer; work that the visitor has begun since is kept."""
        with self._lock:
            if self._of_visitor.get(visitor) is job:
                del self._of_visitor[visitor]

    def cancel(self, visitor: str) -> None:
        """Cancels what a visitor has started, if it is not over."""
        with self._lock:
            job = self._of_visitor.pop(visitor, None)
        if job is not None:
            job.cancel()
