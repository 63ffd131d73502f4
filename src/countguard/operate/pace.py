"""How long a training takes on this machine, found by two of its steps."""

import copy
import time
from collections.abc import Callable, Sequence

from countguard.data.crowd import Crowd
from countguard.data.loading import EpochBatches
from countguard.data.source import Subset
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.training.fit import Machine
from countguard.training.settings import Training

Fit = Callable[[Counter, Sequence[Crowd], Training], object]
"""Trains a counter on crowds by these settings."""

UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def steps_of(training: Training, crowds: Sequence[Crowd], seed: int) -> tuple[int, int]:
    """How many steps a training has, in all and in an epoch."""
    epoch = len(EpochBatches(crowds, training.batch_size, training.augmentation, seed=seed))
    return training.steps or training.epochs * epoch, epoch


def seconds_a_step(counter: Counter, crowds: Sequence[Crowd], training: Training, fit: Fit) -> float:
    """Seconds that a step takes here: of three steps less those of one, so that what comes once is left out.

    Args:
        counter: which is left as it is; a copy is trained.
        crowds: a few of them are trained on.
        training: every setting.
        fit: the training itself.
    """
    few = Subset(crowds, range(min(len(crowds), 2 * training.batch_size)))

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        fit(copy.deepcopy(counter), few, training.model_copy(update={"steps": steps}))
        return time.perf_counter() - began

    once = seconds(1)
    return max(seconds(3) - once, 1e-3) / 2


def on_this(machine: Machine) -> Machine:
    """The machine for a few steps of which nothing is kept."""
    return Machine(machine.accelerator, 1, machine.deterministic, machine.resume_seconds, compile=False)


def time_from(text: str, option: str) -> float:
    """Seconds of a time as the command line writes it: `30min`, `2h`, `90s`; a bare number is minutes.

    Raises:
        InputError: it is none of these.
    """
    number = text.strip().lower().rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text.strip().lower()[len(number) :].strip() or "min"
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        seconds = 0.0
    if not 0 < seconds <= 1e7:
        raise InputError(f"{option} {text}: should be a time, as 30min, 2h or 90s")
    return seconds
