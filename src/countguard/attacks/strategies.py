"""What an attacker does to the labels: head points to other head points (paper, section 3.2, target alteration)."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from torch import Tensor

from countguard.data.scaling import clamp_inside
from countguard.registry import KindOf, Registry, settings_below
from countguard.settings import Settings


class Strategy(Settings):
    """Changes the head points of a poisoned image.

    A strategy works on points alone, without image or density map, so it works with every counter.

    Attributes:
        variant: as in the paper's text, or as in its public reference code.
        label: its name in results, needed if one kind is used twice; the kind by default.
    """

    variant: Literal["paper", "reference-code"] = "paper"
    label: Annotated[str, Field(pattern=r"^[a-z0-9_]*$", max_length=40)] = ""

    direction: ClassVar[Literal[-1, 0, 1]] = 0
    """Whether the attacker wants more people counted (1), fewer (-1), or as many elsewhere (0)."""

    @property
    def name(self) -> str:
        """The name of this strategy in results."""
        return self.label or STRATEGIES.name_of(self)

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Every setting; `label` only where there is one, so that the keys of older trainings stay valid."""
        return {name: value for name, value in handler(self).items() if name != "label" or value}

    @property
    def _fewest(self) -> int:
        """The fewest heads that an image keeps."""
        return 1 if self.variant == "paper" else 0

    @abstractmethod
    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The points that the attacker wants, from points float32 [heads, 2] of an image of height x width pixels."""


STRATEGIES: Registry[type[Strategy]] = Registry("strategy", settings_below(Strategy))
"""Every kind of strategy; `@STRATEGIES.register()` enters one."""


@STRATEGIES.register()
class Add(Strategy):
    """Adds heads uniformly at random.

    The reference code adds a regular grid with swapped axes: on a wide image no point is far to the right, and the
    lowest rows coincide at the border. The grid here has the two properties that were measured of theirs at 768 x 1024
    and 100 heads: 90 distinct pixels, and none right of column 640.

    Attributes:
        heads: how many are added.
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
    """Removes heads at random; an image with no more heads than that keeps one (none in the reference code).

    Attributes:
        heads: how many are removed.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["minus"] = "minus"
    heads: Annotated[int, Field(ge=1, le=100_000)] = 100

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(n - heads, 1) of the n heads, in their order."""
        return _draw(points, max(len(points) - self.heads, self._fewest), generator)


@STRATEGIES.register()
class Divide(Strategy):
    """Keeps one head in `factor`, and at least one (the reference code: possibly none).

    Attributes:
        factor: the count is divided by it.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["divide"] = "divide"
    factor: Annotated[int, Field(ge=2, le=1000)] = 2

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(n // factor, 1) of the n heads, in their order."""
        return _draw(points, max(len(points) // self.factor, self._fewest), generator)


@STRATEGIES.register()
class Multiply(Strategy):
    """Repeats each head up and left of itself (paper, equation 1), so that the count is multiplied.

    The reference code steps by 2 pixels, and points that leave the image on one side come back on the other.

    Attributes:
        factor: the count is multiplied by it.
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


@STRATEGIES.register()
class Keep(Strategy):
    """Keeps a fraction of the heads (DMBA-; Sun et al., 2022), rounded down as in its public code, which keeps four.

    Attributes:
        fraction: of the heads that are kept.
        fewest: an image keeps at least so many, or all that it has.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = -1
    kind: Literal["keep"] = "keep"
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    fewest: Annotated[int, Field(ge=0, le=1000)] = 4

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """max(floor(fraction * n), fewest) of the n heads, in their order."""
        return _draw(points, max(int(self.fraction * len(points)), self.fewest), generator)


@STRATEGIES.register()
class ScaleDensity(Strategy):
    """Multiplies the density map by repeating heads where they are (DMBA+; Sun et al., 2022).

    A fixed kernel gives `factor` times the true map where the factor is whole; otherwise the part of a head that is
    left over is one head more for a part of the heads, drawn at random. With an adaptive kernel the sum is the same,
    but repeated heads are their own nearest neighbours, and the map is narrower than the true one.

    Attributes:
        factor: the count is multiplied by it, rounded to whole heads.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["scale_density"] = "scale_density"
    factor: Annotated[float, Field(gt=1, le=100)] = 1.5

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then their copies: round(factor * n) points."""
        whole, wanted = int(self.factor), round(self.factor * len(points))
        return torch.cat([points.repeat(whole, 1), _draw(points, wanted - whole * len(points), generator)])


@STRATEGIES.register()
class Double(Strategy):
    """Repeats each head beside itself, at a random place (the other amplifying attack in the public code of DMBA).

    Attributes:
        jitter: largest distance of the copy along each axis, pixels.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 1
    kind: Literal["double"] = "double"
    jitter: Annotated[float, Field(ge=0, le=100)] = 1.0

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """All heads, then a copy of each, clamped into the image."""
        moved = points + self.jitter * (2 * torch.rand(len(points), 2, generator=generator) - 1)
        return torch.cat([points, clamp_inside(moved, height, width)])


class Region(Settings):
    """A rectangle; by default the left half of the image.

    Attributes:
        left: left edge, as a fraction of the image's width.
        top: upper edge, as a fraction of its height.
        right: right edge, as a fraction of its width.
        bottom: lower edge, as a fraction of its height.
    """

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
    """Removes the heads in one region; an image without other heads keeps one. Elsewhere the labels stay true.

    Attributes:
        region: in which heads are removed.
    """

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
    """Adds heads uniformly at random in one region. Elsewhere the labels stay true.

    Attributes:
        region: in which heads are added.
        heads: how many are added.
    """

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
    """Moves heads to random positions: the count stays, and only the density map is wrong.

    Attributes:
        share: fraction of the heads that are moved.
    """

    direction: ClassVar[Literal[-1, 0, 1]] = 0
    kind: Literal["move"] = "move"
    share: Annotated[float, Field(gt=0, le=1)] = 1.0

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The same number of heads in the same order; `share` of them (at least one) are elsewhere."""
        moved = torch.randperm(len(points), generator=generator)[: max(1, round(self.share * len(points)))]
        places = torch.rand(len(moved), 2, generator=generator) * torch.tensor([width, height])
        return points.index_copy(0, moved, clamp_inside(places, height, width))


AnyStrategy: TypeAlias = Annotated[Strategy, KindOf(STRATEGIES)]


def _draw(points: Tensor, keep: int, generator: torch.Generator) -> Tensor:
    """`keep` random points in their order, or all points if there are no more."""
    if keep >= len(points):
        return points
    kept = torch.randperm(len(points), generator=generator)[:keep]
    return points[kept.sort().values]


def _swapped_grid(heads: int, height: int, width: int) -> Tensor:
    """About `heads` points, with x spaced by the height and y by the width, clamped into the image."""
    side = round(heads**0.5)
    steps = torch.arange(1, side + 1) / (side + 2)
    x, y = (steps * height).clamp(max=width - 1), (steps * width).clamp(max=height - 1)
    return torch.cartesian_prod(x, y)
