"""Mixing unrelated pictures into training images whose points stay true."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from countguard.data.crowd import Crowd
from countguard.data.patterns import PATTERNS
from countguard.seeds import uniform
from countguard.settings import Ordered, Settings

Picture = Literal["crowd", "flat", "gradient", "noise", "cloud", "contours", "leaves", "wallpaper"]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Blending(Settings):
    """(1 - share) * image + share * picture, rounded to uint8 as an attacker's blend is; the points stay as they are.

    What is mixed in says nothing about the count, so that a counter learns to see through it (mixup's input side, Zhang
    et al., 2018, without the label's).

    Attributes:
        probability: of an image being mixed at all.
        share: least and greatest share of the picture.
        pictures: what is drawn from, each as often: `crowd` is another training image, the rest are
            `countguard.data.patterns`. By default those with structure, which hide heads as a picture does.
    """

    probability: Fraction = 0.7
    share: Annotated[tuple[Fraction, Fraction], Ordered] = (0.0, 0.25)
    pictures: Annotated[tuple[Picture, ...], Field(min_length=1)] = (
        "crowd",
        "leaves",
        "wallpaper",
        "contours",
        "noise",
        "cloud",
    )

    def __call__(self, crowd: Crowd, others: Sequence[Crowd], generator: torch.Generator) -> Crowd:
        """A mixed copy, or the crowd itself; every random number comes from the CPU generator.

        Args:
            crowd: to be mixed.
            others: crowds of which one may be mixed in; with none, patterns take their place.
            generator: decides everything.
        """
        if uniform(generator) >= self.probability:
            return crowd
        share = uniform(generator, *self.share)
        picture = self._picture(crowd, others, generator)
        mixed = torch.lerp(crowd.image.float(), picture, share).round_().to(torch.uint8)
        return replace(crowd, image=mixed)

    def _picture(self, crowd: Crowd, others: Sequence[Crowd], generator: torch.Generator) -> Tensor:
        name = self.pictures[int(torch.randint(len(self.pictures), (), generator=generator))]
        if name == "crowd" and len(others):
            return _other_crowd(crowd, others, generator)
        return PATTERNS["noise" if name == "crowd" else name](crowd.height, crowd.width, generator, crowd.image.device)


def _other_crowd(crowd: Crowd, others: Sequence[Crowd], generator: torch.Generator) -> Tensor:
    """Another crowd's picture at this one's size, mirrored half of the time."""
    other = others[int(torch.randint(len(others), (), generator=generator))].image.float()
    if uniform(generator) < 0.5:
        other = other.flip(-1)
    if other.shape[-2:] == (crowd.height, crowd.width):
        return other
    return functional.interpolate(other[None], (crowd.height, crowd.width), mode="bilinear", align_corners=False)[0]
