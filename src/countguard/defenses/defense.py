"""The base classes of repairs: a repair changes an attacked counter with the help of clean crowds."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Unpack

import torch
from pydantic import Field, PositiveInt

from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.models.counter import Counter
from countguard.registry import Registry, settings_below
from countguard.seeds import generator_for
from countguard.settings import Settings
from countguard.training.callbacks import History
from countguard.training.fit import Conditions, fit
from countguard.training.module import CounterModule
from countguard.training.settings import Training


class Defense(Settings):
    """A repair. It gets clean crowds with their points, and knows neither trigger nor strategy nor rate.

    Attributes:
        label: its name in results, needed if one kind is used twice; the kind by default.
        clean_images: how many of the clean training images it may use, drawn by the seed; None for all.
    """

    starts_anew: ClassVar[bool] = False
    """Whether nothing of the attacked weights is left, so that counters of all strategies end equal."""

    label: Annotated[str, Field(pattern=r"^[a-z0-9_]*$", max_length=40)] = ""
    clean_images: PositiveInt | None = None

    @property
    def name(self) -> str:
        """The name of this repair in results."""
        return self.label or DEFENSES.name_of(self)

    def budget(self, clean: Sequence[Crowd], seed: int) -> Sequence[Crowd]:
        """The clean crowds that this repair may use. A larger budget contains the smaller ones of the same seed."""
        if self.clean_images is None or self.clean_images >= len(clean):
            return clean
        drawn = torch.randperm(len(clean), generator=generator_for(seed, "clean budget"))
        return Subset(clean, drawn[: self.clean_images].tolist())

    def trained_on(self, clean: Sequence[Crowd], seed: int) -> Sequence[Crowd]:
        """All crowds that this repair trains on: the budget of the clean crowds, unless it has others of its own."""
        return self.budget(clean, seed)

    @abstractmethod
    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """Repairs the counter in place and returns the history of its training.

        Args:
            counter: attacked, or suspected to be.
            clean: clean training crowds; those beyond the budget are not read.
            conditions: the arguments of `countguard.training.fit`: `seed`, of every random choice, and optionally
                `folder`, `validation`, `machine` and `report`.

        Raises:
            InputError: there are no crowds to repair with.
            RunError: see `countguard.training.fit`.
        """


DEFENSES: Registry[type[Defense]] = Registry("defense", settings_below(Defense))
"""Every kind of repair; `@DEFENSES.register()` enters one."""


class TrainedDefense(Defense, Training):
    """A repair that is one training of the counter on its budget of clean crowds.

    Subclasses change the settings of the training (`as_training`) or what is done in a step (`module`).
    """

    def as_training(self) -> Training:
        """The settings of the training."""
        return self

    def module(self, counter: Counter, training: Training, steps_per_epoch: int, seed: int) -> CounterModule:
        """What is done in a step; the counter's own loss by default."""
        return CounterModule(counter, training, steps_per_epoch, seed)

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`."""
        crowds = self.budget(clean, conditions["seed"])
        return fit(counter, crowds, self.as_training(), module=self.module, **conditions)
