"""Fine-pruning: switch off the channels that clean crowds do not use, then fine-tune."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, Unpack

import torch
from pydantic import Field
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.data.loading import Batch
from countguard.defenses.channels import Channels, hidden_channels, mean_activations
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.training.callbacks import History
from countguard.training.fit import Conditions, fit
from countguard.training.module import CounterModule
from countguard.training.settings import Training

_ROUND = 0.02
"""Fraction of the channels that is switched off between two measurements of the error."""

Pruned = list[tuple[Channels, Tensor]]
"""The channels of each convolution, with a boolean [number] that marks those switched off."""


@DEFENSES.register()
class FinePruning(TrainedDefense):
    """Prunes the channels least active on clean crowds while the error allows it, then fine-tunes (Liu et al., 2018).

    The paper prunes one layer. In a counter no single layer holds all features, so the channels of all hidden
    convolutions are ranked together, by their activity relative to the mean of their layer.

    Attributes:
        tolerance: pruning ends before the mean absolute error on the clean crowds grows by more than this fraction.
        most: largest fraction of all channels that is pruned.
    """

    kind: Literal["fine_pruning"] = "fine_pruning"
    tolerance: Annotated[float, Field(ge=0)] = 0.1
    most: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`."""
        crowds = self.budget(clean, conditions["seed"])
        pruned = prune(counter, crowds, self.tolerance, self.most)
        history = fit(counter, crowds, self, module=partial(_Pruned, pruned=pruned), **conditions)
        _switch_off(pruned)
        return history


def prune(counter: Counter, crowds: Sequence[Crowd], tolerance: float, most: float) -> Pruned:
    """Switches off the least active channels, round by round, while the error stays within `tolerance`."""
    channels = hidden_channels(counter)
    means = mean_activations(counter, channels, crowds)
    activity = torch.cat([mean / mean.mean().clamp(min=1e-12) for mean in means])
    order = activity.argsort()
    limit = (1 + tolerance) * _mean_absolute_error(counter, crowds)
    kept = {name: value.clone() for name, value in counter.state_dict().items()}
    step, pruned = max(1, round(_ROUND * len(order))), _split(channels, order[:0])
    for number in range(step, round(most * len(order)) + 1, step):
        tried = _split(channels, order[:number])
        _switch_off(tried)
        if _mean_absolute_error(counter, crowds) > limit:
            break
        pruned = tried
    counter.load_state_dict(kept)
    _switch_off(pruned)
    return pruned


class _Pruned(CounterModule):
    """Keeps pruned channels at zero during the training."""

    def __init__(self, counter: Counter, training: Training, steps_per_epoch: int, seed: int, pruned: Pruned) -> None:
        super().__init__(counter, training, steps_per_epoch, seed)
        self._pruned = pruned

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        _switch_off(self._pruned)


def _split(channels: Sequence[Channels], places: Tensor) -> Pruned:
    """Channels given by their position among those of all convolutions, as one mask for each convolution."""
    sizes = [group.number for group in channels]
    off = torch.zeros(sum(sizes), dtype=torch.bool)
    off[places] = True
    return list(zip(channels, torch.split(off, sizes), strict=True))


def _switch_off(pruned: Pruned) -> None:
    for channels, off in pruned:
        channels.switch_off(off)


def _mean_absolute_error(counter: Counter, crowds: Sequence[Crowd]) -> float:
    truths = torch.tensor([float(crowd.count) for crowd in crowds])
    return float((count_crowds(counter, crowds) - truths).abs().mean())
