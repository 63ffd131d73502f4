"""The three ways to spread a head over a density map. They are settings; `density.py` computes with them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_CONFIG)
class Fixed:
    """A Gaussian of one width for every head.

    Attributes:
        sigma: standard deviation in pixels of the full-size image; the paper's Part_B uses 15.
    """

    sigma: Annotated[float, Field(gt=0, le=1000)] = 15.0
    kind: Literal["fixed"] = Field(default="fixed", kw_only=True)


@dataclass(frozen=True, config=_CONFIG)
class Adaptive:
    """A Gaussian whose width follows the local density (Zhang et al., CVPR 2016).

    sigma = beta * mean distance to the nearest `neighbors` other heads, at least `floor`, so that heads which
    coincide keep a width. Where an image has fewer than `neighbors` + 1 heads, the mean is over those there are; a
    head that is alone gets `fallback`.

    Attributes:
        neighbors: how many nearest heads are averaged.
        beta: fraction of that mean distance.
        floor: least sigma, pixels.
        fallback: sigma of a lone head, pixels.
    """

    neighbors: Annotated[int, Field(ge=1, le=64)] = 3
    beta: Annotated[float, Field(gt=0, le=10)] = 0.3
    floor: Annotated[float, Field(gt=0)] = 0.5
    fallback: Annotated[float, Field(gt=0)] = 15.0
    kind: Literal["adaptive"] = Field(default="adaptive", kw_only=True)


@dataclass(frozen=True, config=_CONFIG)
class Dots:
    """No spread: each head counts 1 in the map cell that holds floor(x), floor(y)."""

    kind: Literal["dots"] = Field(default="dots", kw_only=True)


Kernel: TypeAlias = Annotated[Fixed | Adaptive | Dots, Field(discriminator="kind")]
