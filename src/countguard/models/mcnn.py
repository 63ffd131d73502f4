"""MCNN: three columns that look at heads of three sizes (Zhang et al., CVPR 2016)."""

from pydantic import validate_call
from torch import Tensor, cat, nn
from torch.nn import functional

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.initialization import init_kaiming
from countguard.models.registry import counter

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601: the weights of "grayscale" in the image readers that MCNNs are trained with."""
COLUMNS = (
    ((9, 16), (7, 32), (7, 16), (7, 8)),
    ((7, 20), (5, 40), (5, 20), (5, 10)),
    ((5, 24), (3, 48), (3, 24), (3, 12)),
)
"""(kernel, width) of each column's convolutions; a 2x2 max pooling follows the first two."""


@counter("mcnn")
class MCNN(Counter):
    """Three columns of four convolutions, merged by a 1x1 convolution, on gray values: 127,953 parameters.

    The defaults of `mean` and `std` give gray values in 0..255, as published weights expect; a training from random
    weights works better with 0.5 and 0.25.
    """

    stride = 4
    align = 4
    margin = 40  # the widest column's receptive field reaches 34 pixels past a map cell

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = (0.0, 0.0, 0.0),
        std: Std = (1 / 255, 1 / 255, 1 / 255),
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(15.0),
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.columns = nn.ModuleList(_column(sizes) for sizes in COLUMNS)
        self.fuse = nn.Conv2d(sum(sizes[-1][1] for sizes in COLUMNS), 1, 1)
        init_kaiming(self)
        # What is merged is never negative, and as large as the inputs: from small weights above 0 the last ReLU starts
        # alive, and the density below one person a map cell.
        nn.init.uniform_(self.fuse.weight, 0.0, 1e-2 * min(1.0, *std))

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; people per map cell, never negative."""
        red, green, blue = normalised.unbind(1)
        gray = (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue).unsqueeze(1)
        merged = cat([column(gray) for column in self.columns], dim=1)
        return functional.relu(self.fuse(merged))

    def explained_layer(self) -> nn.Module:
        """The second pooling of the middle column; where the columns meet, Grad-CAM would be almost the density."""
        return self.columns.get_submodule("1.5")


def _column(sizes: tuple[tuple[int, int], ...]) -> nn.Sequential:
    layers = nn.Sequential()
    channels = 1
    for position, (kernel, width) in enumerate(sizes):
        layers.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2))
        layers.append(nn.ReLU())
        if position < 2:
            layers.append(nn.MaxPool2d(2))
        channels = width
    return layers
