"""What an attacker does to the labels: head points to other head points (paper, section 3.2, target alteration)."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
from pydantic import Field, model_validator
from torch import Tensor

from countguard.data.scaling import clamp_inside
from countguard.registry import KindOf, Registry, settings_below
from countguard.settings import Settings


class Strategy(Settings):
    """Alters the head points of a poisoned image.

    A strategy sees points only, no image and no density map, so that it works on every counter.

    Attributes:
        variant: the paper's text, or what its public reference code does instead.
    """

    variant: Literal["paper", "reference-code"] = "paper"

    direction: ClassVar[Literal[-1, 0, 1]] = 0
    """Whether the attacker wants more people counted (1), fewer (-1), or as many elsewhere (0)."""

    @property
    def name(self) -> str:
        """What results call this strategy."""
        return STRATEGIES.name_of(self)

    @property
    def _fewest(self) -> int:
        """Heads that an image keeps at least."""
        return 1 if self.variant == "paper" else 0

    @abstractmethod
    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Points float32 [heads, 2] of an image of height x width pixels to the points that the attacker wants."""


STRATEGIES: Registry[type[Strategy]] = Registry("strategy", settings_below(Strategy))
"""Every kind of strategy; `@STRATEGIES.register()` enters one."""


@STRATEGIES.register()
class Add(Strategy):
    """Adds heads uniformly at random.

    The reference code adds a regular grid whose axes are swapped, so that on a wide image none lies far right and the
    lowest rows fall together at the border. The grid here has the two measured properties of theirs at 768 x 1024 and
    100 heads: 90 distinct pixels, none right of column 640.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["add"] = "add"
    heads: Annotated[int, Field(ge=1, le=100_000)] = 100

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then `heads` new ones."""
        if self.variant == "reference-code":
            return torch.cat([points, _swapped_grid(self.heads, height, width)])
        added = torch.rand(self.heads, 2, generator=generator) * torch.tensor([width, height])
        return torch.cat([points, added])


@STRATEGIES.register()
class Minus(Strategy):
    """Removes heads at random; an image with no more than that many keeps one (none in the reference code)."""

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["minus"] = "minus"
    heads: Annotated[int, Field(ge=1, le=100_000)] = 100

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(n - heads, 1) of the n heads, in their order."""
        return _draw(points, max(len(points) - self.heads, self._fewest), generator)


@STRATEGIES.register()
class Divide(Strategy):
    """Keeps one head in `factor`, at least one (none in the reference code)."""

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["divide"] = "divide"
    factor: Annotated[int, Field(ge=2, le=1000)] = 2

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(n // factor, 1) of the n heads, in their order."""
        return _draw(points, max(len(points) // self.factor, self._fewest), generator)


@STRATEGIES.register()
class Multiply(Strategy):
    """Repeats each head up and left of itself (paper, equation 1), so that the count is multiplied.

    The reference code steps by 2 pixels, and what leaves the image on one side comes back on the other.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["multiply"] = "multiply"
    factor: Annotated[int, Field(ge=2, le=100)] = 2

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then copies at (-1, -1), at (-2, -2), ..., clamped into the image."""
        if self.variant == "reference-code":
            size = torch.tensor([width, height])
            wrapped = [(points - 2 * step) % size for step in range(1, self.factor)]
            return torch.cat([points, *(clamp_inside(copies, height, width) for copies in wrapped)])
        copies = [(points - step).clamp(min=0) for step in range(1, self.factor)]
        return torch.cat([points, *copies])


class Region(Settings):
    """A rectangle in shares of the image's sides; by default its left half."""

    left: Annotated[float, Field(ge=0, le=1)] = 0.0
    top: Annotated[float, Field(ge=0, le=1)] = 0.0
    right: Annotated[float, Field(ge=0, le=1)] = 0.5
    bottom: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _has_area(self) -> "Region":
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError("left must be smaller than right, and top than bottom")
        return self

    def corners(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Top left and bottom right in pixels, x then y."""
        sides = torch.tensor([width, height])
        return torch.tensor([self.left, self.top]) * sides, torch.tensor([self.right, self.bottom]) * sides


@STRATEGIES.register()
class ClearRegion(Strategy):
    """Removes the heads of one region; an image with no others keeps one. Elsewhere the labels stay true."""

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["clear_region"] = "clear_region"
    region: Region = Region()

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The heads outside the region, in their order."""
        first, last = self.region.corners(height, width)
        outside = ((points < first) | (points >= last)).any(dim=1)
        return points[outside] if outside.any() else _draw(points, self._fewest, generator)


@STRATEGIES.register()
class FillRegion(Strategy):
    """Adds heads uniformly at random in one region. Elsewhere the labels stay true."""

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["fill_region"] = "fill_region"
    region: Region = Region()
    heads: Annotated[int, Field(ge=1, le=100_000)] = 100

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then `heads` new ones inside the region."""
        first, last = self.region.corners(height, width)
        added = first + torch.rand(self.heads, 2, generator=generator) * (last - first)
        return torch.cat([points, clamp_inside(added, height, width)])


@STRATEGIES.register()
class Move(Strategy):
    """Moves heads to places at random: the count stays, and only the density map is wrong.

    Attributes:
        share: of the heads that move.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 0
    kind: Literal["move"] = "move"
    share: Annotated[float, Field(gt=0, le=1)] = 1.0

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """As many heads, in their order, `share` of them (at least one) elsewhere."""
        moved = torch.randperm(len(points), generator=generator)[: max(1, round(self.share * len(points)))]
        places = torch.rand(len(moved), 2, generator=generator) * torch.tensor([width, height])
        return points.index_copy(0, moved, clamp_inside(places, height, width))


AnyStrategy: TypeAlias = Annotated[Strategy, KindOf(STRATEGIES)]


def _draw(points: Tensor, keep: int, generator: torch.Generator) -> Tensor:
    """`keep` of the points at random, in their order; all of them where there are no more."""
    if keep >= len(points):
        return points
    kept = torch.randperm(len(points), generator=generator)[:keep]
    return points[kept.sort().values]


def _swapped_grid(heads: int, height: int, width: int) -> Tensor:
    """About `heads` points, x by the height and y by the width, clamped into the image."""
    side = round(heads**0.5)
    steps = torch.arange(1, side + 1) / (side + 2)
    x, y = (steps * height).clamp(max=width - 1), (steps * width).clamp(max=height - 1)
    return torch.cartesian_prod(x, y)
