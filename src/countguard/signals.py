"""Being told to end: what was begun is removed first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

from countguard.errors import Interrupted

_Handler: TypeAlias = Callable[[int, FrameType | None], Any] | signal.Handlers


class _Terminated(BaseException):
    """SIGTERM as an exception, so that every `finally` on the way out is run."""


@contextmanager
def tidy_when_terminated() -> Iterator[None]:
    """SIGTERM inside the block unwinds it, so that unfinished files and child processes go, and then ends the process.

    Ctrl-C does so anyway. Does nothing outside the main thread, or where somebody else handles the signal already.
    """
    came = _never
    try:
        # once: a second one would end the clean-up
        with _noticed(signal.SIGTERM, signal.SIG_DFL, _Terminated, once=True) as came:
            yield
    finally:
        if came():  # whatever a compiled library made of the exception
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
    with _noticed(signal.SIGINT, signal.default_int_handler, KeyboardInterrupt) as came:
        try:
            yield
        except Interrupted:
            raise
        except Exception as error:
            if not came():
                raise
            raise KeyboardInterrupt from error


@contextmanager
def _noticed(
    number: signal.Signals, usual: _Handler, raised: type[BaseException], *, once: bool = False
) -> Iterator[Callable[[], bool]]:
    """The signal raises an exception inside the block, and what is given tells whether it came.

    It never comes where it is not handled as usual, nor outside the main thread. With `once` a second one is ignored.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(number) is not usual:
        yield _never
        return
    came = False

    def notice(_: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        if once:
            signal.signal(number, signal.SIG_IGN)
        raise raised

    signal.signal(number, notice)
    try:
        yield lambda: came
    finally:
        signal.signal(number, usual)


def _never() -> bool:
    return False


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
