"""Counters whose answer to probes is known."""

import torch
from torch import Tensor, nn

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
