"""A smooth distortion of the whole image; heads move along."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.data.scaling import clamp_inside
from countguard.seeds import generator_for

_ROUNDS = 50
"""Of the fixed-point iteration; the error shrinks by the factor `steepest` each time."""


@TRIGGERS.register()
class Warp(Trigger):
    """Bends the image by a fixed smooth field (WaNet; Nguyen and Tran, 2021) that is zero at the border.

    Pixel p shows what was at p + u(p). A head at s moves to the p with p + u(p) = s. There is exactly one such p,
    because u is never steeper than 0.8, so the picture does not fold at any strength.

    Attributes:
        strength: of the field; 1 is the strongest.
        waves: number of bends from top to bottom.
        seed: selects the field.
    """

    kind: Literal["warp"] = "warp"
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5
    waves: Annotated[int, Field(ge=2, le=64)] = 4
    seed: Annotated[int, Field(ge=0)] = 0

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The bent image, and the points moved along with their heads."""
        height, width = int(image.shape[-2]), int(image.shape[-1])
        field = self.field(height, width)
        seen_from = (field + _pixel_centres(height, width)).to(image.device)
        bent = _sampled(image.float()[None], seen_from)[0]
        return bent.round().clamp(0, 255).to(torch.uint8), _moved(points, field)

    def with_strength(self, strength: float) -> "Warp":
        """The same field at another strength."""
        return self.model_copy(update={"strength": strength})

    def field(self, height: int, width: int) -> Tensor:
        """u at the centre of each pixel, in pixels, x then y: float32 [2, height, width]."""
        coarse = torch.randn(
            1,
            2,
            self.waves + 2,
            max(2, round(self.waves * width / height)) + 2,
            generator=generator_for(self.seed, "warp"),
        )
        coarse[..., [0, -1], :] = 0
        coarse[..., :, [0, -1]] = 0
        field = functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)[0]
        slopes = torch.stack([field.diff(dim=1).abs().max(), field.diff(dim=2).abs().max()]).sum()
        return field * (0.8 * self.strength / slopes.clamp(min=1e-6))


def _moved(points: Tensor, field: Tensor) -> Tensor:
    """Solves p + u(p) = s for each point s by p <- s - u(p), a contraction."""
    height, width = field.shape[-2:]
    moved = points
    for _ in range(_ROUNDS):
        moved = clamp_inside(points - _sampled(field[None], moved.T[:, None])[0, :, 0].T, height, width)
    return moved


def _sampled(maps: Tensor, places: Tensor) -> Tensor:
    """Maps [1, C, H, W] read bilinearly at places [2, h, w] in pixels, x then y: [1, C, h, w]."""
    sides = places.new_tensor([maps.shape[-1], maps.shape[-2]]).view(2, 1, 1)
    grid = (2 * places / sides - 1).permute(1, 2, 0)[None]
    return functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _pixel_centres(height: int, width: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y])
