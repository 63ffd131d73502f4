"""A light counter for CPUs: it trains on small pictures in seconds."""

from math import expm1, log

from pydantic import validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.initial import start_head, start_kaiming
from countguard.models.registry import counter

START = 0.1
"""People per cell before training: of the order of a crowd, so that the first steps do not have to find the scale."""


@counter("lite")
class Lite(Counter):
    """Four convolutions down to stride 8, three dilated ones for context, and a 1x1 convolution with a softplus.

    Made for this project; see CSRNet for the idea of dilated context. The softplus keeps the density above 0 and
    never stops its gradient, as a ReLU does where a poisoned label asks for nobody.
    """

    margin = 128  # the receptive field reaches 117 pixels past a cell

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = (0.5, 0.5, 0.5),
        std: Std = (0.25, 0.25, 0.25),
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(4.0),
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.features = nn.Sequential(
            *_block(3, 16, stride=2),
            *_block(16, 32),
            nn.MaxPool2d(2),
            *_block(32, 64),
            nn.MaxPool2d(2),
            *_block(64, 64),
            *_block(64, 64, dilation=2),
            *_block(64, 64, dilation=4),
        )
        self.head = nn.Conv2d(64, 1, 1)
        start_kaiming(self.features)
        start_head(self.head, std=0.01, bias=log(expm1(START)))

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; people per cell, above 0."""
        return functional.softplus(self.head(self.features(normalised)))

    def explained_layer(self) -> nn.Module:
        """The ReLU before the dilated convolutions; at the last one, Grad-CAM is all but the density itself."""
        return self.features[9]


def _block(channels: int, width: int, *, stride: int = 1, dilation: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, width, 3, stride=stride, padding=dilation, dilation=dilation), nn.ReLU()
