"""Crowds seen from a little nearer or farther, heads moving along."""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from countguard.data.crowd import Crowd
from countguard.data.scaling import resized
from countguard.seeds import uniform
from countguard.settings import Ordered, Settings

Factor = Annotated[float, Field(ge=0.25, le=4)]


class ScaleJitter(Settings):
    """Enlarges or shrinks a crowd in a frame of the same size (scale jittering, as in Ghiasi et al., 2021).

    Where the picture becomes too small for the frame, it goes on at the left with what stands at the right, heads and
    all, and its first and last rows are repeated; so no border tells a counter that it was changed. The count changes
    with what comes into the frame and what leaves it.

    Attributes:
        probability: of a change.
        factor: least and greatest factor, drawn uniformly in its logarithm.
        height: the row that stays in its place is drawn between this fraction of the height and the bottom: above
            it there is rather sky than people.
    """

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    factor: Annotated[tuple[Factor, Factor], Ordered] = (0.8, 1.25)
    height: Annotated[float, Field(ge=0, le=1)] = 0.3

    def __call__(self, crowd: Crowd, generator: torch.Generator) -> Crowd:
        """A changed copy of the same size, or the crowd itself; every random number comes from the CPU generator."""
        if uniform(generator) >= self.probability:
            return crowd
        low, high = self.factor
        factor = low * (high / low) ** uniform(generator)
        height, width = max(1, round(crowd.height * factor)), max(1, round(crowd.width * factor))
        left = int(uniform(generator) * width)
        fixed = self.height + (1 - self.height) * uniform(generator)
        top = round(fixed * (crowd.height - height))
        return framed(crowd, height, width, top, left)


def framed(crowd: Crowd, height: int, width: int, top: int, left: int) -> Crowd:
    """The crowd resized to height x width, behind a frame of its old size.

    Args:
        crowd: to be resized.
        height, width: of the resized picture, pixels.
        top: the frame's row at which the picture's first row is; above 0 that row is repeated over it.
        left: the picture's column at which the frame begins; after its last column comes its first.
    """
    whole = resized(crowd, height, width)
    rows = (torch.arange(crowd.height) - top).clamp(0, height - 1)
    columns = (torch.arange(crowd.width) + left) % width
    heads = whole.points + torch.tensor([-float(left), float(top)])
    copies = range(-(-(crowd.width + left) // width))
    points = torch.cat([heads + torch.tensor([float(copy * width), 0.0]) for copy in copies])
    inside = (points >= 0).all(dim=1) & (points < torch.tensor([crowd.width, crowd.height])).all(dim=1)
    return replace(crowd, image=whole.image[:, rows][:, :, columns], points=points[inside])
