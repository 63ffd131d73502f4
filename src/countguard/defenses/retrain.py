"""A new counter from the clean crowds: what every repair has to be better than."""

from collections.abc import Sequence
from typing import Literal, Unpack

import torch

from countguard.data.crowd import Crowd
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.registry import kind_of
from countguard.seeds import derived_seed
from countguard.training.callbacks import History
from countguard.training.fit import Conditions


@DEFENSES.register()
class Retrain(TrainedDefense):
    """Throws the attacked weights away and trains a counter of the same kind and settings on the clean crowds.

    No backdoor can survive it. It is the control of all repairs: one that leaves a worse counter than this was not
    worth its clean images. Bins and other settings that were measured on the attacker's crowds are kept.

    Attributes:
        weights: what the new counter starts from, as in the recipe's `model`; None for random weights.
    """

    starts_anew = True

    kind: Literal["retrain"] = "retrain"
    weights: str | None = None

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`; raises InputError for a counter whose kind has no name."""
        kind = kind_of(counter)
        if kind is None:
            raise InputError(f"retrain: a {type(counter).__name__} has no kind by which a new one could be built")
        with torch.random.fork_rng():
            torch.manual_seed(derived_seed(conditions["seed"], "retrain"))
            fresh = build_counter(kind, weights=self.weights, **counter.settings())
        counter.load_state_dict(fresh.state_dict())
        return super().repair(counter, clean, **conditions)
