"""Tiny crowds and counters whose answer to probes is known."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from countguard.data.crowd import Crowd
from countguard.data.synthetic import Synthetic
from countguard.models.counter import Counter


class Brightness(Counter):
    """Counts bright pixels; what it makes of contrast is known exactly."""

    stride = 1
    align = 1

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        self.gain = nn.Parameter(torch.tensor(gain))

    def density(self, normalised: Tensor) -> Tensor:
        """A hundredth of a person for each white pixel."""
        return 0.01 * self.gain * normalised.mean(dim=1, keepdim=True)

    def explained_layer(self) -> nn.Module:
        """None of it is explained."""
        return self


@pytest.fixture
def crowds() -> Sequence[Crowd]:
    """Twelve embedded crowds of 48 x 64 pixels."""
    return list(Synthetic(train=12, test=1, height=48, width=64, heads=(4, 40)).crowds("train"))


@pytest.fixture
def brightness() -> Counter:
    return Brightness()
