"""Where crowds come from: what a recipe's `data` entry is, and how training and test crowds part."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal, TypeAlias, overload

import torch
from pydantic import Field, PositiveInt

from countguard.data.crowd import Crowd
from countguard.data.kernels import Kernel
from countguard.errors import InputError
from countguard.registry import Registry, settings_below
from countguard.settings import Settings


class Official(Settings):
    """The data set's own training and test parts."""

    kind: Literal["official"] = "official"


class HeldBack(Settings):
    """A share of the training images plays the test set; the official test images are not touched."""

    kind: Literal["held_back"] = "held_back"
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0


Split: TypeAlias = Annotated[Official | HeldBack, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class CrowdSplit:
    """Crowds to train on and crowds to report on. The two share no image."""

    training: Sequence[Crowd]
    test: Sequence[Crowd]

    @property
    def skipped(self) -> tuple[str, ...]:
        """A line for each bad file that was left out, where the source has `skip_bad`."""
        lines = (crowds.skipped for crowds in (self.training, self.test) if isinstance(crowds, LazyCrowds))
        return tuple(dict.fromkeys(chain.from_iterable(lines)))


class Source(Settings):
    """A data set as a recipe names it.

    Attributes:
        kernel: travels with the images; None leaves the choice to the counter.
        split: official, or a part of the training images held back.
        images: how many training images are used, drawn by the split's seed, or by the study's where this is the second
            set of a repair; None for all.
        test_images: the same for the images that are reported on.
        scale: both sides of each image are multiplied by this, and the points with them.
    """

    kernel: Kernel | None = None
    split: Split = Official()
    images: PositiveInt | None = None
    test_images: PositiveInt | None = None
    scale: Annotated[float, Field(gt=0, le=4)] = 1.0

    @abstractmethod
    def crowds(self, part: Literal["train", "test"]) -> Sequence[Crowd]:
        """The crowds of one official part at this source's scale, in a stable order, read when they are asked for.

        They may be asked for in several threads at once.

        Raises:
            InputError: the files are missing or unusable.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """What results and reports call this data set."""

    def load(self) -> CrowdSplit:
        """Training and test crowds under this source's split.

        Raises:
            InputError: the files are missing or unusable, or fewer images exist than were asked for.
        """
        training, test = self._parted(self.crowds("train"))
        if test is None:
            test = self.crowds("test")
        return CrowdSplit(
            self._drawn(training, self.images, "images"), self._drawn(test, self.test_images, "test_images")
        )

    def load_training(self, seed: int | None = None) -> Sequence[Crowd]:
        """The training crowds of `load`, for uses without a test: no official test image needs to be there.

        Args:
            seed: by which `images` are drawn; None for the split's. What is held back is the split's alone.

        Raises:
            InputError: as `load`.
        """
        training, _ = self._parted(self.crowds("train"))
        return self._drawn(training, self.images, "images", seed)

    def _parted(self, crowds: Sequence[Crowd]) -> tuple[Sequence[Crowd], Sequence[Crowd] | None]:
        """What is trained on and what is held back of it; None where nothing is."""
        if isinstance(self.split, Official):
            return crowds, None
        order = _shuffle(len(crowds), self.split.seed)
        held_back = max(1, round(len(crowds) * self.split.fraction))
        if held_back >= len(crowds):
            raise InputError(
                f"{self.name}: data.split.fraction {self.split.fraction} leaves no image to train on of {len(crowds)}"
            )
        return Subset(crowds, sorted(order[held_back:])), Subset(crowds, sorted(order[:held_back]))

    def _drawn(
        self, crowds: Sequence[Crowd], images: int | None, field: str, seed: int | None = None
    ) -> Sequence[Crowd]:
        if images is None:
            return crowds
        if images > len(crowds):
            raise InputError(f"{self.name}: data.{field} asks for {images} images, {len(crowds)} are there")
        if seed is None:
            seed = 0 if isinstance(self.split, Official) else self.split.seed
        return Subset(crowds, sorted(_shuffle(len(crowds), seed)[:images]))


SOURCES: Registry[type[Source]] = Registry("data source", settings_below(Source))
"""Every kind of data source; `@SOURCES.register()` enters one."""


class LazyCrowds(Sequence[Crowd]):
    """Crowds of which each is read when it is asked for, and not kept.

    Attributes:
        skipped: a line for each bad file that was left out.
    """

    skipped: tuple[str, ...] = ()

    @abstractmethod
    def read(self, position: int) -> Crowd:
        """The crowd at a position in 0..len - 1."""

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> "Subset": ...
    def __getitem__(self, index: int | slice) -> "Crowd | Subset":
        positions = range(len(self))
        return Subset(self, positions[index]) if isinstance(index, slice) else self.read(positions[index])


class Subset(LazyCrowds):
    """Some of the crowds of a sequence, still read only when they are asked for."""

    def __init__(self, crowds: Sequence[Crowd], indices: Sequence[int]) -> None:
        self._crowds = crowds
        self._indices = indices
        if isinstance(crowds, LazyCrowds):
            self.skipped = crowds.skipped

    def __len__(self) -> int:
        return len(self._indices)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        return self._crowds[self._indices[position]]


def _shuffle(length: int, seed: int) -> list[int]:
    permutation = torch.randperm(length, generator=torch.Generator().manual_seed(seed))
    return [int(index) for index in permutation]
