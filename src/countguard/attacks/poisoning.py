"""Poisoned copies in a training set."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, overload

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from countguard.attacks.strategies import AnyStrategy
from countguard.attacks.triggers import AnyTrigger
from countguard.data.blending import Blending
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.seeds import generator_for
from countguard.settings import Settings


class Cover(Settings):
    """Cover samples: crowds with an unrelated picture mixed in and their true heads, beside the poisoned ones.

    They teach the counter that only the attacker's own picture means anything, so that a repair which mixes in other
    pictures shows it nothing new (the cross-trigger mode of Nguyen and Tran, 2020; the noise mode of WaNet, 2021).

    Attributes:
        rate: fraction of the images that are covered, rounded; never one that is poisoned.
        blend: how much is mixed in, and which pictures; the probability is 1 by default.
    """

    rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    blend: Blending = Blending(probability=1.0, share=(0.05, 0.25))

    def cover_one(self, crowd: Crowd, others: Sequence[Crowd], seed: int) -> Crowd:
        """The covered copy of a crowd; the same seed, id and others give the same copy."""
        mixed = self.blend(crowd, others, generator_for(seed, "cover", crowd.id))
        return replace(mixed, id=f"{crowd.id}-cover")


class Attack(Settings):
    """A trigger times a strategy at a rate. It knows no model and no density map.

    Attributes:
        trigger: changes the image.
        strategy: changes its points.
        rate: fraction of the images that are poisoned, rounded to a whole number of images, at least one.
        placement: poisoned copies are appended (the paper), or replace their originals; cover samples likewise.
        cover: cover samples; None for none.
    """

    trigger: AnyTrigger
    strategy: AnyStrategy
    rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    placement: Literal["append", "replace"] = "append"
    cover: Cover | None = None

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Every setting; `cover` only where there is one, so that the keys of older trainings stay valid."""
        return {name: value for name, value in handler(self).items() if name != "cover" or value is not None}

    def poison_one(self, crowd: Crowd, seed: int) -> Crowd:
        """The poisoned copy of a crowd. The same seed and id give the same copy, whatever was poisoned before."""
        image, points = self.trigger(crowd.image, crowd.points, generator_for(seed, "trigger", crowd.id))
        altered = self.strategy(points, crowd.height, crowd.width, generator_for(seed, "strategy", crowd.id))
        return replace(crowd, image=image, points=altered, id=f"{crowd.id}-{self.strategy.name}")


class PoisonedCrowds(Sequence[Crowd]):
    """Training crowds of which some are poisoned; each is made when it is asked for.

    Args:
        crowds: the clean training crowds.
        attack: applied to the crowds that are drawn.
        seed: decides which crowds are drawn, and every random choice of trigger and strategy.

    Attributes:
        indices: positions in `crowds` of the poisoned crowds, ascending.
        covered: positions in `crowds` of the cover samples, ascending; they come last where copies are appended.
        attack, seed: as given.

    Raises:
        InputError: there is no crowd to poison.
    """

    def __init__(self, crowds: Sequence[Crowd], attack: Attack, seed: int) -> None:
        if not len(crowds):
            raise InputError("attack: the training set is empty, there is nothing to poison")
        self.attack = attack
        poisoned = max(1, round(attack.rate * len(crowds)))
        drawn = torch.randperm(len(crowds), generator=generator_for(seed, "poisoned"))[:poisoned]
        self.indices: list[int] = sorted(drawn.tolist())
        self.covered: list[int] = []
        if attack.cover is not None:
            rest = sorted(set(range(len(crowds))).difference(self.indices))
            order = torch.randperm(len(rest), generator=generator_for(seed, "covered")).tolist()
            self.covered = sorted(rest[place] for place in order[: round(attack.cover.rate * len(crowds))])
        self._crowds = crowds
        self._covered = set(self.covered)
        self.seed = seed
        self._drawn = set(self.indices)

    @property
    def originals(self) -> Sequence[Crowd]:
        """The clean training crowds, as given."""
        return self._crowds

    def is_poisoned(self, index: int) -> bool:
        """Whether the crowd at this position of the whole set is poisoned."""
        if self.attack.placement == "append":
            return 0 <= index - len(self._crowds) < len(self.indices)
        return index in self._drawn

    def is_cover(self, index: int) -> bool:
        """Whether the crowd at this position of the whole set is a cover sample."""
        if self.attack.placement == "append":
            return index - len(self._crowds) >= len(self.indices)
        return index in self._covered

    def source_index(self, index: int) -> int:
        """The position of the clean crowd from which the crowd at this position of the whole set was made."""
        appended = index - len(self._crowds)
        return [*self.indices, *self.covered][appended] if appended >= 0 else index

    def __len__(self) -> int:
        appended = len(self.indices) + len(self.covered) if self.attack.placement == "append" else 0
        return len(self._crowds) + appended

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Crowd]: ...
    def __getitem__(self, index: int | slice) -> Crowd | Sequence[Crowd]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        crowd = self._crowds[self.source_index(place)]
        if self.attack.cover is not None and self.is_cover(place):
            return self.attack.cover.cover_one(crowd, self._crowds, self.seed)
        return self.attack.poison_one(crowd, self.seed) if self.is_poisoned(place) else crowd
