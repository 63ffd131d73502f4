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
    told = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: a second one would end the clean-up
        raise _Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if told:  # whatever a compiled library made of the exception
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def errors_by_ctrl_c_interrupt() -> Iterator[None]:
    """An error inside the block that follows Ctrl-C counts as the interruption.

    A compiled library that Ctrl-C interrupts in a callback may raise an error of its own: matplotlib, while it draws,
    says "Invalid bounding box". Does nothing outside the main thread, or where Ctrl-C is ignored or handled by somebody
    else.

    Raises:
        KeyboardInterrupt: in place of such an error.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    pressed = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        if not pressed:
            raise
        raise KeyboardInterrupt from error
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
