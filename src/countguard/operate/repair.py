"""What an operator hears of a repair: what can be measured before and after it without knowing an attack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor

from countguard.attacks.additive import Sine
from countguard.attacks.blend import Blend
from countguard.attacks.trigger import Trigger
from countguard.attacks.weather import Rain
from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.errors import InputError
from countguard.metrics.counting import mean_absolute_error, ratio_rate
from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.paired import error_change, rate_change
from countguard.metrics.ratios import ACCURATE, Floats
from countguard.models.counter import Counter
from countguard.models.counting import count_views
from countguard.scan.guard import Calibration
from countguard.seeds import generator_for
from countguard.wording import join

HELD_BACK = 0.25
"""Fraction of the clean crowds that the repair does not see, so that before and after are measured on them."""
LEAST = 4
"""Clean crowds that a repair with a look before and after needs."""
DAMAGED = "counts more people than numbers can hold, or none; its weights or settings are damaged"
PROBES: dict[str, Trigger] = {
    "a picture mixed in, 10 %": Blend(picture="kitten", alpha=0.1),
    "another picture mixed in, 20 %": Blend(picture="confetti", alpha=0.2),
    "faint stripes": Sine(),
    "rain": Rain(),
}
"""Triggers under which a counter is looked at; no repair trains on them."""


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """What a counter says of held-back clean crowds.

    Attributes:
        truths: true counts.
        clean: estimates of the images as they are.
        under: estimates under each of `PROBES`.
    """

    truths: Floats
    clean: Floats
    under: dict[str, Floats]

    def as_json(self) -> dict[str, JsonValue]:
        """For a journal; `from_json` makes the same of it."""
        under: dict[str, JsonValue] = {name: estimates.tolist() for name, estimates in self.under.items()}
        return {"truths": self.truths.tolist(), "clean": self.clean.tolist(), "under": under}

    @classmethod
    def from_json(cls, kept: Any) -> "Measures":
        """What `as_json` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            truths, clean, *under = (
                np.array(values, dtype=np.float64)
                for values in (kept["truths"], kept["clean"], *(kept["under"][name] for name in PROBES))
            )
        except (KeyError, TypeError) as error:
            raise ValueError(error) from None
        return cls(truths, clean, dict(zip(PROBES, under, strict=True)))

    @property
    def mae(self) -> Interval:
        """Mean absolute error, heads."""
        return bootstrap_interval(mean_absolute_error, [self.clean, self.truths])

    def right(self, estimates: Floats) -> Interval | None:
        """Share of the crowds counted right, within 10 %; None where no crowd has a head."""
        has_ratio = self.truths > 0
        if not has_ratio.any():
            return None
        return bootstrap_interval(ratio_rate, [estimates[has_ratio], self.truths[has_ratio]])


@dataclass(frozen=True, slots=True)
class Choice:
    """A repair of one size.

    Attributes:
        scale: of the pictures that it trains on.
        steps: of the training; 0 where it has none.
        seconds: that it takes here, with the looks before and after; None where nobody knows.
        looks: seconds of these.
    """

    scale: float
    steps: int
    seconds: float | None
    looks: float = 0.0


@dataclass(frozen=True)
class Repair:
    """A finished repair.

    Attributes:
        counter, out: the files of the given and of the repaired counter.
        kind: of the counter.
        data: name of the clean data set.
        defense: every setting of the repair.
        trained_on, measured_on: how many clean crowds.
        before, after: on those held back.
        seed: of every random choice.
        choice: the scale of the pictures that were trained on, and the steps.
        seconds: that all of it took.
        device: on which.
        stopped: whether the budget ended the training before its last step.
        shown: a held-back image, and the same under each probe, uint8 [3, H, W].
        written: whether the repaired counter is in its file.
        guard: how far the given and the repaired counter may disagree on a clean picture, found on those held back;
            None where the repaired counter was not written.
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
    seed: int = 0
    choice: Choice = Choice(1.0, 0, None)
    seconds: float = 0.0
    device: str = "cpu"
    stopped: bool = False
    shown: Mapping[str, Tensor] = field(default_factory=dict)
    written: bool = True
    guard: Calibration | None = None

    @cached_property
    def error(self) -> Interval:
        """Change of the mean absolute error on clean images, heads, images paired."""
        return error_change(self.before.clean, self.after.clean, self.before.truths)

    @cached_property
    def accuracy(self) -> Interval | None:
        """Change of the share of clean images counted right, images paired."""
        return rate_change(ACCURATE, self.before.clean, self.after.clean, self.before.truths)

    @cached_property
    def under(self) -> dict[str, Interval | None]:
        """The same under each probe."""
        truths = self.before.truths
        return {
            name: rate_change(ACCURATE, old, self.after.under[name], truths) for name, old in self.before.under.items()
        }

    @property
    def worse(self) -> bool:
        """Whether clean images are counted worse: the whole interval of a paired difference says so."""
        return self.error.low > 0 or (self.accuracy is not None and self.accuracy.high < 0)

    @property
    def verdict(self) -> str:
        """What the held-back images show, in a few sentences; what is worse comes first."""
        clean, error = self.after.clean, self.error
        change = f"{error.value:+.1f} [{error.low:+.1f}, {error.high:+.1f}] heads of mean error"
        sentences = []
        if self.worse:
            sentences.append(
                f"The repaired counter counts clean images worse: {self.before.mae.value:.1f} before, "
                f"{self.after.mae.value:.1f} after, {change}. More clean images or a longer repair "
                "(--set defenses.0.epochs=...) may help."
            )
        elif error.high < 0:
            sentences.append(f"It counts clean images better: {change}.")
        lost = [name for name, change in self.under.items() if change is not None and change.high < 0]
        gained = [name for name, change in self.under.items() if change is not None and change.low > 0]
        left = [
            name
            for name, estimates in self.after.under.items()
            if (gap := rate_change(ACCURATE, clean, estimates, self.after.truths)) is not None and gap.high < 0
        ]
        if lost:
            sentences.append(f"It counts fewer images right than before under {join(lost)}.")
        if gained:
            sentences.append(f"It counts more images right than before under {join(gained)}.")
        if left:
            sentences.append(f"It still counts fewer images right under {join(left)} than without.")
        if not sentences:
            sentences.append(
                f"These {self.measured_on} images show no difference between before and after; more images could."
            )
        if self.stopped:
            sentences.append("The budget ended the training before its last step.")
        return " ".join(sentences)


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


def look_at_clean(counter: Counter, crowds: Sequence[Crowd], seed: int, name: str) -> Measures:
    """Counts clean crowds as they are and under each probe; `name` is what errors call the counter.

    Raises:
        InputError: it gives no finite number.
    """
    views = [lambda images, members, t=trigger: t.mark(images, members, seed) for trigger in PROBES.values()]
    estimates = count_views(counter, crowds, [lambda images, _: images, *views]).double().numpy()
    if not np.isfinite(estimates).all():
        raise InputError(f"{name}: {DAMAGED}")
    truths = np.array([crowd.count for crowd in crowds], dtype=np.float64)
    return Measures(truths, estimates[0], dict(zip(PROBES, estimates[1:], strict=True)))
