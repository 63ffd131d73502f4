"""Poisoned copies in a training set."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, overload

import torch
from pydantic import Field

from countguard.attacks.strategies import AnyStrategy
from countguard.attacks.triggers import AnyTrigger
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.seeds import generator_for
from countguard.settings import Settings


class Attack(Settings):
    """A trigger times a strategy at a rate. It knows no model and no density map.

    Attributes:
        trigger: changes the image.
        strategy: changes its points.
        rate: fraction of the images that are poisoned, rounded to a whole number of images, at least one.
        placement: poisoned copies are appended (the paper), or replace their originals.
    """

    trigger: AnyTrigger
    strategy: AnyStrategy
    rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    placement: Literal["append", "replace"] = "append"

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
        self._crowds = crowds
        self.seed = seed
        self._drawn = set(self.indices)

    @property
    def originals(self) -> Sequence[Crowd]:
        """The clean training crowds, as given."""
        return self._crowds

    def is_poisoned(self, index: int) -> bool:
        """Whether the crowd at this position of the whole set is poisoned."""
        if self.attack.placement == "append":
            return index >= len(self._crowds)
        return index in self._drawn

    def source_index(self, index: int) -> int:
        """The position of the clean crowd from which the crowd at this position of the whole set was made."""
        appended = index - len(self._crowds)
        return self.indices[appended] if appended >= 0 else index

    def __len__(self) -> int:
        return len(self._crowds) + (len(self.indices) if self.attack.placement == "append" else 0)

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Crowd]: ...
    def __getitem__(self, index: int | slice) -> Crowd | Sequence[Crowd]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        crowd = self._crowds[self.source_index(place)]
        return self.attack.poison_one(crowd, self.seed) if self.is_poisoned(place) else crowd
