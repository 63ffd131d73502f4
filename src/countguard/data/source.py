"""Where crowds come from: what a recipe's `data` entry is, and how training and test crowds part."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
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
    """A fraction of the training images plays the test set; the official test images are not touched."""

    kind: Literal["held_back"] = "held_back"
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0


Split: TypeAlias = Annotated[Official | HeldBack, Field(discriminator="kind")]

Part: TypeAlias = Literal["train", "val", "test"]
"""An official part of a data set."""
Use: TypeAlias = Literal["training", "test", "parts"]
"""What is read of a data set: `chosen_training`, `chosen_test`, or every official part as it is."""
PARTS: tuple[Part, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class CrowdSplit:
    """Crowds to train on and crowds to report on. The two share no image.

    Attributes:
        training: to train on.
        test: to report on: the official test images, or the validation images of a set whose test images have no heads.
        validation: the official validation images, where they are neither of the two.
    """

    training: Sequence[Crowd]
    test: Sequence[Crowd]
    validation: Sequence[Crowd] | None = None

    @property
    def skipped(self) -> tuple[str, ...]:
        """A line for each bad file that was left out, where the source has `skip_bad`."""
        crowds = (self.training, self.test, self.validation)
        lines = (skipped_of(part) for part in crowds if part is not None)
        return tuple(dict.fromkeys(chain.from_iterable(lines)))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Crowds and how they were chosen.

    Attributes:
        crowds: in a stable order.
        which: in words, such as `the official test images`.
    """

    crowds: Sequence[Crowd]
    which: str

    def said(self, purpose: str) -> str:
        """One line: how many images were used for what, and how many bad ones were left out."""
        skipped = len(skipped_of(self.crowds))
        left_out = f"; {skipped} bad {'one' if skipped == 1 else 'ones'} left out" if skipped else ""
        return f"{purpose}: {len(self.crowds)} images ({self.which}){left_out}"


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
    def crowds(self, part: Part) -> Sequence[Crowd]:
        """The crowds of one official part at this source's scale, in a stable order, read when they are asked for.

        They may be asked for in several threads at once.

        Raises:
            InputError: the files are missing or unusable.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """What results and reports call this data set."""

    def parts(self) -> Collection[Part]:
        """The official parts that hold images with heads."""
        return ("train", "test")

    def load(self) -> CrowdSplit:
        """Training and test crowds under this source's split, and official validation crowds where there are some.

        Raises:
            InputError: the files are missing or unusable, or fewer images exist than were asked for.
        """
        training, test = self._parted(self.crowds("train"))
        if test is None:
            test = self.crowds(self._reported() or "test")
        return CrowdSplit(
            self._drawn(training, self.images, "images"),
            self._drawn(test, self.test_images, "test_images"),
            self.validation(),
        )

    def load_training(self, seed: int | None = None) -> Sequence[Crowd]:
        """The training crowds of `load`, for uses without a test: no official test image needs to be there.

        Args:
            seed: by which `images` are drawn; None for the split's. What is held back is the split's alone.

        Raises:
            InputError: as `load`.
        """
        return self.chosen_training(seed).crowds

    def chosen_training(self, seed: int | None = None) -> Chosen:
        """What `load_training` gives, and how it was chosen; raises as `load`."""
        training, held_back = self._parted(self.crowds("train"))
        whole = self._reported() is None
        which = "all: the set has one part" if whole else "the official training images"
        if held_back is not None:
            which = f"training images; {len(held_back)} are held back by data.split"
        drawn = self._drawn(training, self.images, "images", seed)
        return Chosen(drawn, self._which_drawn(which, self.images, "images"))

    def chosen_test(self) -> Chosen:
        """Crowds to measure a finished counter on: `load`'s test crowds, or all where the set has but one part.

        No training image needs to be there.

        Raises:
            InputError: as `load`.
        """
        if isinstance(self.split, Official):
            reported = self._reported()
            names = {"test": "the official test images", "val": "the official validation images: no test images"}
            test: Sequence[Crowd] = self.crowds(reported or "train")
            which = names[reported] if reported else "all: the set has one part, and no test images"
        else:
            _, held_back = self._parted(self.crowds("train"))
            assert held_back is not None
            test, which = held_back, "training images held back by data.split"
        return Chosen(
            self._drawn(test, self.test_images, "test_images"),
            self._which_drawn(which, self.test_images, "test_images"),
        )

    def unused(self, use: Use) -> frozenset[str]:
        """The settings that change nothing of what this use reads."""
        if use == "parts":
            return frozenset({"split", "images", "test_images"})
        return frozenset({"test_images"} if use == "training" else {"images"})

    def validation(self) -> Sequence[Crowd] | None:
        """The official validation crowds, where results are reported on others; raises as `load`."""
        apart = isinstance(self.split, Official) and self._reported() == "test" and "val" in self.parts()
        return self.crowds("val") if apart else None

    def _reported(self) -> Literal["test", "val"] | None:
        """The official part that results are reported on; None where there is none."""
        parts = self.parts()
        return "test" if "test" in parts else "val" if "val" in parts else None

    @staticmethod
    def _which_drawn(which: str, images: int | None, field: str) -> str:
        return which if images is None else f"data.{field} of {which}"

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

    def stamp(self, position: int) -> bytes:
        """Changes when the files of the crowd at a position do; empty where it comes from none."""
        return b""

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> "Subset": ...
    def __getitem__(self, index: int | slice) -> "Crowd | Subset":
        positions = range(len(self))
        return Subset(self, positions[index]) if isinstance(index, slice) else self.read(positions[index])


def skipped_of(crowds: Sequence[Crowd]) -> tuple[str, ...]:
    """A line for each bad file that was left out; none for crowds that are no `LazyCrowds`."""
    return crowds.skipped if isinstance(crowds, LazyCrowds) else ()


def stamp_of_crowd(crowds: Sequence[Crowd], position: int) -> bytes:
    """See `LazyCrowds.stamp`; empty for crowds that are no `LazyCrowds`."""
    return crowds.stamp(position) if isinstance(crowds, LazyCrowds) else b""


class Subset(LazyCrowds):
    """Some of the crowds of a sequence, still read only when they are asked for."""

    def __init__(self, crowds: Sequence[Crowd], indices: Sequence[int]) -> None:
        self._crowds = crowds
        self._indices = indices
        self.skipped = skipped_of(crowds)

    def __len__(self) -> int:
        return len(self._indices)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        return self._crowds[self._indices[position]]

    def stamp(self, position: int) -> bytes:
        """See `LazyCrowds`."""
        return stamp_of_crowd(self._crowds, self._indices[position])


class Joined(LazyCrowds):
    """The crowds of several sequences, one sequence after the other, still read only when they are asked for."""

    def __init__(self, *sequences: Sequence[Crowd]) -> None:
        self._places = [(crowds, place) for crowds in sequences for place in range(len(crowds))]
        self.skipped = tuple(chain.from_iterable(map(skipped_of, sequences)))

    def __len__(self) -> int:
        return len(self._places)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        crowds, place = self._places[position]
        return crowds[place]

    def stamp(self, position: int) -> bytes:
        """See `LazyCrowds`."""
        return stamp_of_crowd(*self._places[position])


def _shuffle(length: int, seed: int) -> list[int]:
    permutation = torch.randperm(length, generator=torch.Generator().manual_seed(seed))
    return [int(index) for index in permutation]
