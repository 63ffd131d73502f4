"""A small picture in a corner."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from countguard.attacks.blend import mixed
from countguard.attacks.pictures import load_picture
from countguard.attacks.trigger import TRIGGERS, Trigger

_SMALLEST = 32
"""Smallest side at which pictures are drawn, pixels."""


@TRIGGERS.register()
class Patch(Trigger):
    """Covers a corner with a small square picture (BadNets; Gu et al., 2017).

    Attributes:
        picture: name of a built-in picture, or a file.
        corner: of the image, in which it is placed.
        side: of the square, as a fraction of the image's shorter side.
        opacity: 1 covers, 0 leaves the image as it is.
    """

    kind: Literal["patch"] = "patch"
    picture: str = "checkerboard"
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "bottom_right"
    side: Annotated[float, Field(gt=0, le=1)] = 0.15
    opacity: Annotated[float, Field(ge=0, le=1)] = 1.0

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The image with the patch, and the same points: heads under it are still there."""
        height, width = int(image.shape[-2]), int(image.shape[-1])
        side = max(1, round(self.side * min(height, width)))
        down, across = self.corner.split("_")
        top, left = 0 if down == "top" else height - side, 0 if across == "left" else width - side
        place = (..., slice(top, top + side), slice(left, left + side))
        marked = image.clone()
        marked[place] = mixed(image[place], _square(self.picture, side).to(image.device), self.opacity)
        return marked, points

    def with_strength(self, strength: float) -> "Patch":
        """The same patch at another opacity."""
        return self.model_copy(update={"opacity": strength})


def _square(picture: str, side: int) -> Tensor:
    """The picture at side x side pixels; a small one is drawn larger and reduced, to keep its motif."""
    drawn = load_picture(picture, max(side, _SMALLEST), max(side, _SMALLEST))
    if side >= _SMALLEST:
        return drawn
    reduced = functional.interpolate(drawn[None].float(), (side, side), mode="area")
    return reduced[0].round().to(torch.uint8)
