"""Being told to end: what was begun is removed first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from countguard.errors import Interrupted


class _Terminated(BaseException):
    """SIGTERM as an exception, so that every `finally` on the way out is run."""


@contextmanager
def tidy_when_terminated() -> Iterator[None]:
    """SIGTERM inside the block unwinds it, so that unfinished files and child processes go, and then ends the process.

    Ctrl-C does so anyway. Does nothing outside the main thread, or where somebody else handles the signal already.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def kept_when_interrupted(says: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C inside the block ends it with what `says` tells of the work that is kept.

    Raises:
        Interrupted: in place of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(says()) from None


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: a second one would end the clean-up
    raise _Terminated
