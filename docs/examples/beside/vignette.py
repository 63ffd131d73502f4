"""A trigger for one study, in a file beside its recipe."""

from typing import Literal

import torch
from torch import Tensor

import countguard as cg


class Vignette(cg.Trigger):
    """Darkens the image towards its corners.

    Attributes:
        strength: how much light the corners lose, 0 to 1.
    """

    kind: Literal["vignette"] = "vignette"
    strength: float = 0.5

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The darkened image and the same points."""
        height, width = image.shape[-2:]
        y = torch.linspace(-1, 1, height, device=image.device)[:, None]
        x = torch.linspace(-1, 1, width, device=image.device)[None, :]
        light = 1 - self.strength * (x.square() + y.square()) / 2
        return (image * light).round().to(torch.uint8), points

    def with_strength(self, strength: float) -> "Vignette":
        """The same trigger at another strength."""
        return self.model_copy(update={"strength": strength})
