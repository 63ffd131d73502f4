"""Ctrl-C at any instant of a command, in the test's own process: no start-up, so that many instants can be tried."""

import random
import signal
from collections.abc import Callable
from types import FrameType

import pytest

from countguard.errors import Interrupted


def press(number: int, frame: FrameType | None) -> None:
    """What Python does for Ctrl-C."""
    raise KeyboardInterrupt


def interrupted_until_done(command: Callable[[], object], longest: float, times: int = 12) -> int:
    """Gives a command again and again, each time interrupted at a random instant, until it ends by itself.

    Args:
        command: what is called.
        longest: seconds after which it is interrupted at most.
        times: of interruptions; afterwards it is left to end.

    Returns:
        how many were told that something is kept.
    """
    instants, kept = random.Random(0), 0
    before = signal.signal(signal.SIGALRM, press)
    try:
        for _ in range(times):
            signal.setitimer(signal.ITIMER_REAL, instants.uniform(0.001, longest))
            try:
                command()
            except Interrupted as ended:
                kept += "goes on" in str(ended)
            except KeyboardInterrupt:
                pass
            except ValueError as error:  # what safetensors makes of a Ctrl-C while it reads a tensor
                if "UntypedStorage" not in str(error):
                    raise
            else:
                return kept
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        command()
        return kept
    except RuntimeError as error:
        pytest.fail(f"after {kept} interruptions: {error}")
    finally:
        signal.signal(signal.SIGALRM, before)
