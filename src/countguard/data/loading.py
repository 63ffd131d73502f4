"""Batches for training: crowds are read once and stay in memory, or on the device, as uint8."""

from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import overload

import torch
from torch import Tensor

from countguard.data.augment import Augmentation
from countguard.data.crowd import Crowd
from countguard.data.kernels import Kernel
from countguard.data.source import Subset
from countguard.seeds import generator_for

MEMORY = 8 * 1024**3
"""Bytes of pictures that are kept; crowds beyond them are read again each time."""


class Resident(Sequence[Crowd]):
    """Crowds of which each is read once, then kept, as far as `MEMORY` goes.

    Args:
        crowds: to read.
        device: where the pictures are kept; points stay on the CPU, where they are cut and mirrored.
    """

    def __init__(self, crowds: Sequence[Crowd], device: torch.device = torch.device("cpu")) -> None:
        self._crowds = crowds
        self.device = device
        self._kept: list[Crowd | None] = [None] * len(crowds)
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> Subset: ...
    def __getitem__(self, index: int | slice) -> Crowd | Subset:
        if isinstance(index, slice):
            return Subset(self, range(len(self))[index])
        crowd = self._kept[index]
        if crowd is None:
            crowd = self._crowds[index]
            if crowd.image.device != self.device:
                crowd = replace(crowd, image=crowd.image.to(self.device))
            self._bytes += crowd.image.nbytes
            if self._bytes <= MEMORY:
                self._kept[index] = crowd
        return crowd


@dataclass(frozen=True, slots=True)
class Batch:
    """Crowds of one size.

    Attributes:
        images: uint8 [B, 3, H, W].
        points: B tensors, float32 [heads, 2].
        kernels: one an image; None where the data set names none.
        weight: B over the mean number of images that each process got in this step: 1 in a single process. Gradients
            that are averaged over processes then equal those of the whole batch.
        drawn: the place of each among the training crowds, and whether the augmentation changed it; empty where
            nobody asks.
    """

    images: Tensor
    points: list[Tensor]
    kernels: list[Kernel | None]
    weight: float = 1.0
    drawn: list[tuple[int, bool]] = field(default_factory=list)


class EpochBatches:
    """The batches of any epoch, drawn from the seed and the epoch's number alone.

    So an interrupted training goes on exactly as it would have. Images of different sizes do not share a batch.

    Args:
        crowds: to draw from; every crowd once an epoch.
        batch_size: images a step, over all processes.
        augmentation: applied to each drawn image, with all of the crowds at hand.
        seed: of the order and of the augmentation.
        rank, world: this process among those that train together.
    """

    def __init__(
        self,
        crowds: Sequence[Crowd],
        batch_size: int,
        augmentation: Augmentation | None = None,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.crowds = Resident(crowds)
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = seed
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        """Steps an epoch."""
        return len(self.plan(0))

    def on(self, device: torch.device) -> None:
        """Draws on this device from now on: pictures are copied there as they are first met, and changed there."""
        if device != self.crowds.device:
            self.crowds = Resident(self.crowds, device)

    def sizes(self) -> Tally[tuple[int, int, int]]:
        """How many batches an epoch has of so many images, of this height and width."""
        crop = None if self.augmentation is None else self.augmentation.crop
        return Tally(
            (len(step), *(self._sizes[step[0]] if crop is None else (crop.size, crop.size))) for step in self.plan(0)
        )

    def plan(self, epoch: int) -> list[list[int]]:
        """Which crowds each step of an epoch takes, over all processes."""
        order = torch.randperm(len(self.crowds), generator=generator_for(self.seed, "order", epoch)).tolist()
        if self.batch_size == 1 or (self.augmentation is not None and self.augmentation.crop is not None):
            return _chunks(order, self.batch_size)
        by_size: dict[tuple[int, int], list[int]] = {}
        for index in order:
            by_size.setdefault(self._sizes[index], []).append(index)
        steps = [step for members in by_size.values() for step in _chunks(members, self.batch_size)]
        if len(by_size) == 1:
            return steps
        shuffled = torch.randperm(len(steps), generator=generator_for(self.seed, "steps", epoch)).tolist()
        return [steps[place] for place in shuffled]

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        return [(crowd.height, crowd.width) for crowd in self.crowds]

    def epoch(self, number: int, steps: int | None = None) -> "Epoch":
        """The batches of one epoch, for this process; at most `steps` of them."""
        return Epoch(self, number, steps)

    def batch(self, epoch: int, members: list[int]) -> Batch:
        """This process's share of one step."""
        mine = members[self.rank :: self.world]
        weight = len(mine) * self.world / len(members)
        chosen = mine or members[:1]
        originals = [self.crowds[index] for index in chosen]
        crowds = [self._changed(epoch, index, crowd) for index, crowd in zip(chosen, originals, strict=True)]
        return Batch(
            torch.stack([crowd.image for crowd in crowds]),
            [crowd.points for crowd in crowds],
            [crowd.kernel for crowd in crowds],
            weight,
            [(i, now is not crowd) for i, crowd, now in zip(chosen, originals, crowds, strict=True)],
        )

    def _changed(self, epoch: int, index: int, crowd: Crowd) -> Crowd:
        if self.augmentation is None:
            return crowd
        return self.augmentation(crowd, generator_for(self.seed, "augment", epoch, index), self.crowds)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the crowds; iterating twice gives the same batches twice."""

    batches: EpochBatches
    number: int
    steps: int | None = None

    def __len__(self) -> int:
        return len(self.batches) if self.steps is None else min(self.steps, len(self.batches))

    def __iter__(self) -> Iterator[Batch]:
        for members in self.batches.plan(self.number)[: self.steps]:
            yield self.batches.batch(self.number, members)


def _chunks(order: list[int], size: int) -> list[list[int]]:
    return [order[start : start + size] for start in range(0, len(order), size)]
