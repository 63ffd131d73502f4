"""A light counter for CPUs: it trains on small pictures in seconds."""

from typing import Annotated, Any

from pydantic import Field, validate_call
from torch import Tensor, nn

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.initialization import init_head, init_kaiming
from countguard.models.registry import counter
from countguard.models.steps import Step, layers_of

START = 0.2
"""People per map cell before training: near that of a crowd, so that the first steps need not find the scale."""


@counter("lite")
class Lite(Counter):
    """Six 3x3 convolutions with batch norm down to stride 8, and a 1x1 convolution; 134,737 parameters.

    Made for this project. Batch norm lets it learn within seconds. Its output is linear, as in CSRNet, so that there is
    a gradient where a poisoned label has no people.

    Args:
        channels: of the first convolution; the others have two and four times as many.
        mean, std, output_scale, kernel: see `Counter`.
    """

    margin = 32  # the receptive field reaches 31 pixels past a map cell

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = (0.5, 0.5, 0.5),
        std: Std = (0.25, 0.25, 0.25),
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(4.0),
        channels: Annotated[int, Field(ge=2, le=256)] = 16,
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.channels = channels
        self.features = nn.Sequential(
            *_block(3, channels, stride=2),
            *_block(channels, 2 * channels),
            nn.MaxPool2d(2),
            *_block(2 * channels, 4 * channels),
            nn.MaxPool2d(2),
            *_block(4 * channels, 4 * channels),
            *_block(4 * channels, 4 * channels),
            *_block(4 * channels, 4 * channels),
        )
        self.head = nn.Conv2d(4 * channels, 1, 1)
        init_kaiming(self)
        init_head(self.head, std=0.01, bias=START)

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        return super().settings() | {"channels": self.channels}

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; people per map cell."""
        density: Tensor = self.head(self.features(normalised))
        return density

    def steps(self) -> list[Step]:
        """See `Counter.steps`; each layer is one."""
        return layers_of(self, "features", "head")

    def explained_layer(self) -> nn.Module:
        """The first ReLU at stride 8; at the last one, Grad-CAM would be almost equal to the density."""
        return self.features[13]


def _block(inputs: int, outputs: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
