"""New crowds out of few: turned sideways, and with a strip of another one, heads and all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.data.scaling import clamp_inside, resized
from countguard.seeds import uniform
from countguard.settings import Ordered, Settings

Fraction = Annotated[float, Field(ge=0, le=1)]


class CutMix(Settings):
    """Puts a strip of another crowd into this one, with the heads that stand there (CutMix, Yun et al., 2019).

    Strips are as high as the image: in a crowd seen in perspective a head's size goes with its row, and a patch from
    another row would show people of the wrong size. Before that, each crowd is rolled sideways, what leaves at the
    right coming back at the left, so that a strip and what a map cell covers are new each time.

    Attributes:
        probability: of a strip.
        width: least and greatest width of the strip, in fractions of the image's.
        roll: probability of rolling.
    """

    probability: Fraction = 0.5
    width: Annotated[tuple[Fraction, Fraction], Ordered] = (0.2, 0.75)
    roll: Fraction = 1.0

    def __call__(self, crowd: Crowd, others: Sequence[Crowd], generator: torch.Generator) -> Crowd:
        """A changed copy of the crowd's size; every random number comes from the CPU generator.

        Args:
            crowd: to be changed.
            others: of one the strip is; with none, the crowd is only rolled.
            generator: decides everything.
        """
        crowd = self._rolled(crowd, generator)
        if not len(others) or uniform(generator) >= self.probability:
            return crowd
        other = others[int(torch.randint(len(others), (), generator=generator))]
        if (other.height, other.width) != (crowd.height, crowd.width):
            other = resized(other, crowd.height, crowd.width)
        other = self._rolled(other, generator)
        low, high = self.width
        columns = round(crowd.width * uniform(generator, low, high))
        left = int(uniform(generator) * (crowd.width - columns + 1))
        image = crowd.image.clone()
        image[..., left : left + columns] = other.image[..., left : left + columns]
        own, theirs = _between(crowd.points, left, left + columns), _between(other.points, left, left + columns)
        return replace(crowd, image=image, points=torch.cat([crowd.points[~own], other.points[theirs]]))

    def _rolled(self, crowd: Crowd, generator: torch.Generator) -> Crowd:
        if uniform(generator) >= self.roll:
            return crowd
        return roll(crowd, int(torch.randint(crowd.width, (), generator=generator)))


def roll(crowd: Crowd, columns: int) -> Crowd:
    """The crowd moved right by so many pixels, what leaves at the right coming back at the left."""
    moved = crowd.points + torch.tensor([float(columns), 0.0])
    moved[:, 0] %= crowd.width
    return replace(
        crowd, image=crowd.image.roll(columns, dims=-1), points=clamp_inside(moved, crowd.height, crowd.width)
    )


def _between(points: Tensor, left: int, right: int) -> Tensor:
    """Which points have left <= x < right."""
    return (points[:, 0] >= left) & (points[:, 0] < right)
