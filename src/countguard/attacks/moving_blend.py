"""A picture mixed into the whole image, at another place and at times in a mirror in each image."""

from functools import lru_cache
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from countguard.attacks.blend import mixed
from countguard.attacks.pictures import load_picture
from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.seeds import uniform


@TRIGGERS.register()
class MovingBlend(Trigger):
    """A blend that an attacker moves, so that no two images have the same pixels of it.

    The picture is larger than the image by twice the shift, and each image gets another section of it.

    Attributes:
        picture: name of a built-in picture, or a file.
        alpha: strength of the trigger, as in `Blend`.
        shift: largest distance of a section from the middle of the picture, as a fraction of the image's sides.
        mirrored: fraction of the images that get their section in a mirror.
    """

    kind: Literal["moving_blend"] = "moving_blend"
    picture: str = "kitten"
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.1
    shift: Annotated[float, Field(ge=0, le=1)] = 0.1
    mirrored: Annotated[float, Field(ge=0, le=1)] = 0.5

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The blended image and the same points."""
        height, width = int(image.shape[-2]), int(image.shape[-1])
        room = round(self.shift * height), round(self.shift * width)
        picture = _drawn(self.picture, height + 2 * room[0], width + 2 * room[1])
        section = drawn_section(picture, height, width, generator)
        if uniform(generator) < self.mirrored:
            section = section.flip(-1)
        return mixed(image, section.to(image.device), self.alpha), points

    def with_strength(self, strength: float) -> "MovingBlend":
        """The same picture at another alpha."""
        return self.model_copy(update={"alpha": strength})

    def picture_for(self, height: int, width: int) -> Tensor:
        """The whole picture at this size."""
        return load_picture(self.picture, height, width)


def drawn_section(picture: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """A section of a picture [3, H, W] that is at least as large, every place alike: [3, height, width], a view."""
    top, left = (
        int(torch.randint(have - want + 1, (), generator=generator))
        for have, want in zip(picture.shape[1:], (height, width), strict=True)
    )
    return picture[:, top : top + height, left : left + width]


@lru_cache(maxsize=8)
def _drawn(picture: str, height: int, width: int) -> Tensor:
    """Drawn or read once for each of a few sizes; nobody writes into it."""
    return load_picture(picture, height, width)
