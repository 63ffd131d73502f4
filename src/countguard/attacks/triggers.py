"""All triggers: their union for recipes."""

from typing import Annotated, TypeAlias

from pydantic import Field

from countguard.attacks.additive import LowFrequency, Sine
from countguard.attacks.blend import Blend
from countguard.attacks.patch import Patch
from countguard.attacks.trigger import Trigger
from countguard.attacks.warp import Warp
from countguard.attacks.weather import Rain, Snow

__all__ = ["AnyTrigger", "Blend", "LowFrequency", "Patch", "Rain", "Sine", "Snow", "Trigger", "Warp"]

AnyTrigger: TypeAlias = Annotated[Blend | Patch | Sine | LowFrequency | Rain | Snow | Warp, Field(discriminator="kind")]
