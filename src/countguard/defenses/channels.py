"""The convolution channels of any counter: their list, their activity, and how to switch them off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from countguard.data.crowd import Crowd
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The channels of a hidden convolution.

    Attributes:
        number: how many there are.
        layer: the last layer that computes them: the convolution, or the batch norm after it.
    """

    number: int
    layer: nn.Conv2d | nn.BatchNorm2d

    def switch_off(self, off: Tensor) -> None:
        """Sets the channels that are marked in a boolean [number] to zero everywhere."""
        with torch.no_grad():
            for parameter in (self.layer.weight, self.layer.bias):
                if parameter is not None:
                    parameter[off.to(parameter.device)] = 0


def hidden_channels(counter: Counter) -> list[Channels]:
    """The channels of every convolution except the last, whose output is the density or its logits."""
    modules = list(counter.modules())
    places = [place for place, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
    return [_channels(modules[place], modules[place + 1]) for place in places[:-1]]


def mean_activations(counter: Counter, channels: Sequence[Channels], crowds: Sequence[Crowd]) -> list[Tensor]:
    """For each convolution, the mean of the positive outputs over images and positions: float32 [number]."""
    sums = [torch.zeros(group.number) for group in channels]
    handles = [
        group.layer.register_forward_hook(_adding_to(total)) for group, total in zip(channels, sums, strict=True)
    ]
    try:
        count_crowds(counter, crowds)
    finally:
        for handle in handles:
            handle.remove()
    return [total / max(1, len(crowds)) for total in sums]


def _channels(convolution: nn.Module, following: nn.Module) -> Channels:
    assert isinstance(convolution, nn.Conv2d)
    number = convolution.out_channels
    if isinstance(following, nn.BatchNorm2d) and following.num_features == number and following.affine:
        return Channels(number, following)
    return Channels(number, convolution)


def _adding_to(total: Tensor) -> Callable[[nn.Module, Any, Tensor], None]:
    def add(module: nn.Module, inputs: Any, output: Tensor) -> None:
        # at once: a ReLU in place may change the output afterwards
        total.add_(output.clamp(min=0).mean(dim=(2, 3)).sum(dim=0).cpu())

    return add
