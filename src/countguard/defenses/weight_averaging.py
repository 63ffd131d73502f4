"""Averaging the attacked counter's weights with the fine-tuned one's."""

from collections.abc import Sequence
from typing import Annotated, Literal, Unpack

import torch
from pydantic import Field

from countguard.data.crowd import Crowd
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.models.counter import Counter
from countguard.training.callbacks import History
from countguard.training.fit import Conditions


@DEFENSES.register()
class WeightAveraging(TrainedDefense):
    """Fine-tunes, then takes (1 - mixing) * attacked + mixing * fine-tuned weights (WiSE-FT, Wortsman et al., 2022).

    With `augmentation.blend` the fine-tuning uses random blends.

    Attributes:
        mixing: fraction of the fine-tuned weights.
    """

    kind: Literal["weight_averaging"] = "weight_averaging"
    mixing: Annotated[float, Field(ge=0, le=1)] = 0.5

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`."""
        attacked = {name: value.clone() for name, value in counter.state_dict().items()}
        history = super().repair(counter, clean, **conditions)
        tuned = counter.state_dict()
        mixed = {
            name: torch.lerp(before, tuned[name], self.mixing) if before.is_floating_point() else tuned[name]
            for name, before in attacked.items()
        }
        counter.load_state_dict(mixed)
        return history
