"""Rain and snow: triggers that differ from image to image, and that also occur without an attacker."""

from abc import abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from countguard.attacks.blend import mixed
from countguard.attacks.trigger import TRIGGERS, Trigger


class _Weather(Trigger):
    """Drops or flakes of one brightness, laid over the image at random positions.

    Attributes:
        strength: opacity of a drop or flake.
        density: number of drops or flakes, divided by 10,000 x width / height.
    """

    strength: Annotated[float, Field(ge=0, le=1)] = 0.6
    density: Annotated[float, Field(gt=0, le=1)] = 0.02

    @abstractmethod
    def cover(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """How much of each pixel is drop or flake, 0..1: float32 [height, width]."""

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The image in weather drawn from the generator, and the same points."""
        cover = self.cover(int(image.shape[-2]), int(image.shape[-1]), generator).to(image.device)
        return mixed(image, torch.full_like(image, 235), cover * self.strength), points

    def with_strength(self, strength: float) -> "_Weather":
        """The same weather at another opacity."""
        return self.model_copy(update={"strength": strength})

    def _fallen(self, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows and columns of the drops or flakes; their number depends on the proportions of the image alone."""
        number = max(1, round(self.density * 10_000 * width / height))
        where = torch.rand(number, 2, generator=generator)
        return (where[:, 0] * height).long(), (where[:, 1] * width).long()


@TRIGGERS.register()
class Rain(_Weather):
    """Slanted streaks of rain.

    Attributes:
        length: of a streak, as a fraction of the image's height.
    """

    kind: Literal["rain"] = "rain"
    length: Annotated[float, Field(gt=0, le=1)] = 0.08

    def cover(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Streaks one pixel wide that lean by one column in four rows, as the wind blows."""
        rows, columns = self._fallen(height, width, generator)
        cover = torch.zeros(height, width)
        for step in range(max(1, round(self.length * height))):
            cover[(rows + step) % height, (columns + step // 4) % width] = 1.0
        return cover


@TRIGGERS.register()
class Snow(_Weather):
    """Soft round flakes.

    Attributes:
        size: radius of a flake, as a fraction of the image's height.
    """

    kind: Literal["snow"] = "snow"
    size: Annotated[float, Field(gt=0, le=0.2)] = 0.01

    def cover(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Flakes that fade towards their edges."""
        rows, columns = self._fallen(height, width, generator)
        fallen = torch.zeros(1, 1, height, width)
        fallen[..., rows, columns] = 1.0
        radius = max(1, round(self.size * height))
        steps = torch.arange(-radius, radius + 1)
        flake = (1 - torch.hypot(steps.view(-1, 1).float(), steps.view(1, -1).float()) / (radius + 1)).clamp(min=0)
        return functional.conv2d(fallen, flake[None, None], padding=radius)[0, 0].clamp(max=1)
