"""The embedded data set: procedural crowd scenes that need no download."""

from collections.abc import Sequence
from typing import Annotated, Literal, overload

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator

from countguard.data.crowd import Crowd
from countguard.data.scaling import rescale
from countguard.data.source import SOURCES, HeldBack, Part, Source, Subset, Use
from countguard.data.synthetic_people import paint_people, place_heads
from countguard.data.synthetic_scene import LOOKS, finish, paint_scene
from countguard.errors import InputError
from countguard.settings import Ordered

_PIXELS_PER_HEAD = 24
"""Where heads get less room than this, they are smaller than two pixels and nobody could count them."""


@SOURCES.register()
class Synthetic(Source):
    """Procedural crowds in perspective; the same settings give the same pictures, bit for bit.

    Counts are uniform over `heads`, both ends included, so that with the default four images in five have more
    than 40. Image `index` of a part depends on (look, seed, part, index) alone, in whatever order images are asked for.

    Attributes:
        train: training images.
        test: test images, drawn from another random stream than the training images.
        height: pixels; people grow with it.
        width: pixels.
        seed: another seed is another data set.
        heads: fewest and most heads in an image.
        look: plaza is a street by day, seen from a low mast; stadium is a stand seen from across the field, with
            smaller heads, fans in their club's colours and no sky.
    """

    kind: Literal["synthetic"] = "synthetic"
    train: Annotated[int, Field(ge=1, le=1_000_000)] = 400
    test: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    height: Annotated[int, Field(ge=32, le=2048)] = 96
    width: Annotated[int, Field(ge=32, le=2048)] = 128
    seed: Annotated[int, Field(ge=0)] = 0
    heads: Annotated[tuple[Annotated[int, Field(ge=0)], PositiveInt], Ordered] = (10, 200)
    look: Literal["plaza", "stadium"] = "plaza"

    @model_validator(mode="after")
    def _heads_fit(self) -> "Synthetic":
        most = self.heads[1]
        room = self.height * self.width // _PIXELS_PER_HEAD
        if most > room:
            raise ValueError(f"heads: at most {room} fit into {self.height} x {self.width} pixels; got {most}")
        return self

    @property
    def name(self) -> str:
        """`synthetic` and the look."""
        return f"synthetic {self.look}"

    def unused(self, use: Use) -> frozenset[str]:
        """See `Source`."""
        held_back = isinstance(self.split, HeldBack)
        other: dict[Use, set[str]] = {"training": {"test"}, "test": {"test" if held_back else "train"}, "parts": set()}
        return super().unused(use) | other[use]

    def crowds(self, part: Part) -> "SyntheticCrowds":
        """The crowds of one part, drawn anew each time that one is asked for; raises InputError for `val`."""
        if part == "val":
            raise InputError("synthetic: has the parts train and test")
        return SyntheticCrowds(self, part)


class SyntheticCrowds(Sequence[Crowd]):
    """One part of a synthetic data set. Nothing is kept: an image costs milliseconds to draw."""

    def __init__(self, settings: Synthetic, part: Part) -> None:
        self._settings = settings
        self._part = part

    def __len__(self) -> int:
        return self._settings.train if self._part == "train" else self._settings.test

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> Subset: ...
    def __getitem__(self, index: int | slice) -> Crowd | Subset:
        positions = range(len(self))
        if isinstance(index, slice):
            return Subset(self, positions[index])
        return self._draw(positions[index])

    def _draw(self, index: int) -> Crowd:
        settings = self._settings
        stream = (list(LOOKS).index(settings.look), ("train", "test").index(self._part), index)
        generator = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=stream))
        count = int(generator.integers(settings.heads[0], settings.heads[1], endpoint=True))
        look, height, width = LOOKS[settings.look], settings.height, settings.width
        heads = place_heads(generator, count, width / height, look)
        canvas, light = paint_scene(generator, heads, height, width, look)
        paint_people(generator, canvas, heads, look, light)
        pixels = finish(generator, canvas, height, width, light)
        image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        points = torch.from_numpy((heads[:, :2] * height).astype(np.float32))
        return rescale(Crowd(image, points, f"{self._part}-{index:05d}", settings.kernel), settings.scale)
