"""Ctrl-C at any instant of a command, in the test's own process: no start-up, so that many instants can be tried."""

import random
import signal
from collections.abc import Callable
from types import FrameType

from countguard.errors import Interrupted


def press(number: int, frame: FrameType | None) -> None:
    """What Python does for Ctrl-C."""
    raise KeyboardInterrupt


def interrupted_until_done(command: Callable[[], object], longest: float, times: int = 12) -> None:
    """Gives a command again and again, each time interrupted at a random instant, until it ends by itself.

    Args:
        command: what is called.
        longest: seconds after which it is interrupted at most.
        times: of interruptions; afterwards it is left to end.
    """
    instants = random.Random(0)
    before = signal.signal(signal.SIGALRM, press)
    try:
        for _ in range(times):
            signal.setitimer(signal.ITIMER_REAL, instants.uniform(0.001, longest))
            try:
                command()
            except (Interrupted, KeyboardInterrupt):
                pass
            except ValueError as error:  # what safetensors makes of a Ctrl-C while it reads a tensor
                if "UntypedStorage" not in str(error):
                    raise
            else:
                return
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        command()
    finally:
        signal.signal(signal.SIGALRM, before)
