"""What an operator hears of a repair: what can be measured before and after it without knowing an attack."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from countguard.attacks.additive import Sine
from countguard.attacks.blend import Blend
from countguard.attacks.trigger import Trigger
from countguard.attacks.weather import Rain
from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.errors import InputError
from countguard.metrics.counting import mean_absolute_error, ratio_rate
from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.models.counter import Counter
from countguard.models.counting import count_views
from countguard.scan.guard import Calibration
from countguard.seeds import generator_for

HELD_BACK = 0.25
"""Share of the clean crowds that the repair does not see, so that before and after are measured on them."""
LEAST = 4
"""Clean crowds that a repair with a look before and after needs."""
PROBES: dict[str, Trigger] = {
    "a picture mixed in, 10 %": Blend(picture="kitten", alpha=0.1),
    "another picture mixed in, 20 %": Blend(picture="confetti", alpha=0.2),
    "faint stripes": Sine(),
    "rain": Rain(),
}
"""Triggers under which a counter is looked at; no repair trains on them."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a counter does on held-back clean crowds.

    Attributes:
        mae: mean absolute error, heads.
        rho_acc: share of the crowds counted right, within 10 %; None where no crowd has a head.
        under: the same share under each of `PROBES`.
    """

    mae: Interval
    rho_acc: Interval | None
    under: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Repair:
    """A finished repair.

    Attributes:
        counter, out: the files of the given and of the repaired counter.
        kind: of the counter.
        data: name of the clean data set.
        defense: every setting of the repair.
        trained_on, measured_on: how many clean crowds.
        before, after: on those held back.
        guard: how far the given and the repaired counter may disagree on a clean picture, found on those held back.
    """

    counter: Path
    out: Path
    kind: str
    data: str
    defense: dict[str, Any]
    trained_on: int
    measured_on: int
    before: Measures
    after: Measures
    guard: Calibration


def split_for_repair(crowds: Sequence[Crowd], seed: int) -> tuple[Sequence[Crowd], Sequence[Crowd]]:
    """Clean crowds to repair with, and those held back.

    Raises:
        InputError: there are fewer than `LEAST`.
    """
    if len(crowds) < LEAST:
        raise InputError(f"--clean: {len(crowds)} images are there; a repair and a look at it need at least {LEAST}")
    order = torch.randperm(len(crowds), generator=generator_for(seed, "held back")).tolist()
    held_back = max(1, round(HELD_BACK * len(crowds)))
    return Subset(crowds, order[held_back:]), Subset(crowds, order[:held_back])


def measure(counter: Counter, crowds: Sequence[Crowd], seed: int) -> Measures:
    """Counts clean crowds as they are and under each probe."""
    views = [lambda images, members, t=trigger: t.mark(images, members, seed) for trigger in PROBES.values()]
    estimates = count_views(counter, crowds, [lambda images, _: images, *views]).double().numpy()
    truths = np.array([crowd.count for crowd in crowds], dtype=np.float64)
    has_ratio = truths > 0
    rates = [
        bootstrap_interval(ratio_rate, [row[has_ratio], truths[has_ratio]]) for row in estimates if has_ratio.any()
    ]
    return Measures(
        bootstrap_interval(mean_absolute_error, [estimates[0], truths]),
        rates[0] if rates else None,
        dict(zip(PROBES, rates[1:], strict=False)),
    )
