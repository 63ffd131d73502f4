"""Faint patterns added to the whole image: stripes, and slow waves that look like uneven light."""

from abc import abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.seeds import generator_for


class _Additive(Trigger):
    """A pattern in -1..1 times an amplitude, the same for every image of one size."""

    amplitude: Annotated[float, Field(ge=0, le=1)] = 20 / 255

    @abstractmethod
    def pattern(self, height: int, width: int) -> Tensor:
        """In -1..1: float32, broadcastable to [3, height, width]."""

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The image with the pattern, clamped to black and white, and the same points."""
        change = (255 * self.amplitude * self.pattern(int(image.shape[-2]), int(image.shape[-1]))).round()
        return (image.int() + change.int().to(image.device)).clamp_(0, 255).to(torch.uint8), points

    def with_strength(self, strength: float) -> "_Additive":
        """The same pattern at another amplitude."""
        return self.model_copy(update={"amplitude": strength})

    def picture_for(self, height: int, width: int) -> Tensor:
        """The pattern alone: -1 is black, 1 is white."""
        return (127.5 * (1 + self.pattern(height, width))).expand(3, height, width).round().to(torch.uint8)


@TRIGGERS.register()
class Sine(_Additive):
    """Adds vertical sine stripes (SIG; Barni et al., 2019).

    Attributes:
        amplitude: of the stripes; 1 is the whole range from black to white.
        stripes: periods across the image.
    """

    kind: Literal["sine"] = "sine"
    stripes: Annotated[float, Field(gt=0, le=512)] = 12.0

    def pattern(self, height: int, width: int) -> Tensor:
        """sin(2 pi stripes x / width)."""
        return torch.sin(2 * torch.pi * self.stripes * (torch.arange(width) + 0.5) / width)


@TRIGGERS.register()
class LowFrequency(_Additive):
    """Adds smooth coloured waves (a low-frequency trigger; Zeng et al., 2021).

    Attributes:
        amplitude: of the waves; 1 is the whole range from black to white.
        waves: number of bright and dark spots from top to bottom.
        seed: selects the pattern.
    """

    kind: Literal["low_frequency"] = "low_frequency"
    waves: Annotated[int, Field(ge=2, le=64)] = 4
    seed: Annotated[int, Field(ge=0)] = 0

    def pattern(self, height: int, width: int) -> Tensor:
        """Random values on a coarse grid, interpolated by cubics and scaled so that the largest is 1."""
        coarse = torch.randn(
            1, 3, self.waves, max(2, round(self.waves * width / height)), generator=generator_for(self.seed, "waves")
        )
        smooth = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0]
        return smooth / smooth.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
