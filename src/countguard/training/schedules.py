"""How the learning rate changes over a training."""

import math
from abc import abstractmethod
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from countguard.registry import KindOf, Registry, settings_below
from countguard.settings import Settings


class Schedule(Settings):
    """The learning rate at any point of a training."""

    @abstractmethod
    def at(self, epoch: float, epochs: float, lr: float) -> float:
        """The rate after `epoch` of `epochs` epochs (fractions allowed), where `lr` is the recipe's rate."""


SCHEDULES: Registry[type[Schedule]] = Registry("schedule", settings_below(Schedule))
"""Every kind of schedule; `@SCHEDULES.register()` enters one."""


@SCHEDULES.register()
class Constant(Schedule):
    """The same rate throughout."""

    kind: Literal["constant"] = "constant"

    def at(self, epoch: float, epochs: float, lr: float) -> float:
        """Always `lr`."""
        return lr


@SCHEDULES.register()
class Cosine(Schedule):
    """Half a cosine from lr to `floor` (Loshchilov and Hutter, 2017, without restarts).

    Attributes:
        warmup: epochs of a linear rise from 0 at the start.
        floor: the rate at the end.
    """

    kind: Literal["cosine"] = "cosine"
    warmup: Annotated[float, Field(ge=0)] = 0.0
    floor: Annotated[float, Field(ge=0)] = 0.0

    def at(self, epoch: float, epochs: float, lr: float) -> float:
        """lr at the start of the cosine, `floor` at the end."""
        if epoch < self.warmup:
            return lr * (epoch + 1e-3) / (self.warmup + 1e-3)
        done = min(1.0, (epoch - self.warmup) / max(epochs - self.warmup, 1e-9))
        return self.floor + (lr - self.floor) * (1 + math.cos(math.pi * done)) / 2


@SCHEDULES.register()
class WarmRestarts(Schedule):
    """Linear warm-up, then cosines that restart, each longer (CLIP-EBC's reference code); changes once an epoch.

    Attributes:
        warmup: epochs of warm-up.
        warmup_lr: the rate it starts from.
        period: epochs of the first cosine.
        growth: how much longer each next cosine is.
        floor: the rate at the end of each cosine.
    """

    kind: Literal["warm_restarts"] = "warm_restarts"
    warmup: Annotated[int, Field(ge=0)] = 50
    warmup_lr: Annotated[float, Field(ge=0)] = 1e-6
    period: Annotated[int, Field(ge=1)] = 5
    growth: Annotated[int, Field(ge=1)] = 2
    floor: Annotated[float, Field(ge=0)] = 1e-7

    def at(self, epoch: float, epochs: float, lr: float) -> float:
        """`warmup_lr` at epoch 0, lr at the end of the warm-up and at each restart."""
        whole = math.floor(epoch)
        if whole < self.warmup:
            return self.warmup_lr + (lr - self.warmup_lr) * whole / self.warmup
        since_restart, period = whole - self.warmup, self.period
        while since_restart >= period:
            since_restart, period = since_restart - period, period * self.growth
        return self.floor + (lr - self.floor) * (1 + math.cos(math.pi * since_restart / period)) / 2


AnySchedule: TypeAlias = Annotated[Schedule, KindOf(SCHEDULES)]
