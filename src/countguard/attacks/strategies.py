"""What an attacker does to the labels: head points to other head points (paper, section 3.2, target alteration)."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
from pydantic import Field
from torch import Tensor

from countguard.settings import Settings


class Strategy(Settings):
    """Alters the head points of a poisoned image.

    A strategy sees points only, no image and no density map, so that it works on every counter.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 0
    """Whether the attacker wants more people counted (1), fewer (-1), or as many elsewhere (0)."""

    @property
    def name(self) -> str:
        """What results call this strategy."""
        return str(getattr(self, "kind"))  # noqa: B009  (every subclass has the field; the base has none)

    @abstractmethod
    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Points float32 [heads, 2] of an image of height x width pixels to the points that the attacker wants."""


class Add(Strategy):
    """Adds heads uniformly at random."""

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["add"] = "add"
    heads: Annotated[int, Field(ge=1, le=100_000)] = 100

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then `heads` new ones."""
        added = torch.rand(self.heads, 2, generator=generator) * torch.tensor([width, height])
        return torch.cat([points, added])


class Minus(Strategy):
    """Removes heads at random; an image with no more than that many keeps one."""

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["minus"] = "minus"
    heads: Annotated[int, Field(ge=1, le=100_000)] = 100

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(n - heads, 1) of the n heads, in their order."""
        return _draw(points, max(len(points) - self.heads, 1), generator)


class Divide(Strategy):
    """Keeps one head in `factor`, at least one."""

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["divide"] = "divide"
    factor: Annotated[int, Field(ge=2, le=1000)] = 2

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(n // factor, 1) of the n heads, in their order."""
        return _draw(points, max(len(points) // self.factor, 1), generator)


class Multiply(Strategy):
    """Repeats each head up and left of itself (paper, equation 1), so that the count is multiplied."""

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["multiply"] = "multiply"
    factor: Annotated[int, Field(ge=2, le=100)] = 2

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then copies at (-1, -1), at (-2, -2), ..., clamped into the image."""
        copies = [(points - step).clamp(min=0) for step in range(1, self.factor)]
        return torch.cat([points, *copies])


AnyStrategy: TypeAlias = Annotated[Add | Minus | Divide | Multiply, Field(discriminator="kind")]


def _draw(points: Tensor, keep: int, generator: torch.Generator) -> Tensor:
    """`keep` of the points at random, in their order; all of them where there are no more."""
    if keep >= len(points):
        return points
    kept = torch.randperm(len(points), generator=generator)[:keep]
    return points[kept.sort().values]
