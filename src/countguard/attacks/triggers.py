"""All triggers of this package, and the type of a recipe's field that takes them and those of plug-ins."""

from typing import Annotated, TypeAlias

from countguard.attacks.additive import LowFrequency, Sine
from countguard.attacks.blend import Blend
from countguard.attacks.moving_blend import MovingBlend
from countguard.attacks.patch import Patch
from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.attacks.warp import Warp
from countguard.attacks.weather import Rain, Snow
from countguard.registry import KindOf

__all__ = [
    "TRIGGERS",
    "AnyTrigger",
    "Blend",
    "LowFrequency",
    "MovingBlend",
    "Patch",
    "Rain",
    "Sine",
    "Snow",
    "Trigger",
    "Warp",
]

AnyTrigger: TypeAlias = Annotated[Trigger, KindOf(TRIGGERS)]
