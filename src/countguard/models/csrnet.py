"""CSRNet, configuration B (Li, Zhang and Chen, CVPR 2018)."""

from pydantic import validate_call
from torch import Tensor, nn

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, OutputScale, Std
from countguard.models.fused import in_turn
from countguard.models.imagenet import vgg_features
from countguard.models.initialization import init_normal
from countguard.models.registry import counter
from countguard.models.steps import Step, layers_of

FRONTEND: tuple[int | None, ...] = (64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512)
"""VGG-16 up to conv4_3: the width of each convolution, None for a 2x2 max pooling."""
BACKEND = (512, 512, 512, 256, 128, 64)
"""Widths of the dilated convolutions."""


@counter("csrnet")
class CSRNet(Counter):
    """VGG-16 to conv4_3, six 3x3 convolutions of dilation 2, and a 1x1 convolution; 16,263,489 parameters.

    The front end has the layout of torchvision's `vgg16().features`. New layers start from N(0, 0.01) with bias 0.

    Args:
        output_scale: 64 if the network gives people per pixel, as in the authors' training; 1 for people per map cell.
    """

    margin = 144  # the receptive field reaches 138 pixels past a map cell
    pretrained = ("imagenet",)

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        output_scale: OutputScale = 64.0,
        kernel: Kernel = Fixed(15.0),
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.frontend = vgg_frontend()
        self.backend = nn.Sequential()
        width = 512
        for channels in BACKEND:
            self.backend.append(nn.Conv2d(width, channels, 3, padding=2, dilation=2))
            self.backend.append(nn.ReLU(inplace=True))
            width = channels
        self.output_layer = nn.Conv2d(width, 1, 1)
        init_normal(self)

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; people per pixel by default."""
        density: Tensor = self.output_layer(in_turn(self.backend, in_turn(self.frontend, normalised)))
        return density

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; "imagenet" fills the front end."""
        self.frontend.load_state_dict(vgg_features())

    def steps(self) -> list[Step]:
        """See `Counter.steps`; each layer is one."""
        return layers_of(self, "frontend", "backend", "output_layer")

    def explained_layer(self) -> nn.Module:
        """The ReLU after conv4_3."""
        return self.frontend[-1]


def vgg_frontend() -> nn.Sequential:
    """VGG-16's convolutions to conv4_3, with torchvision's key layout; the last ReLU does not change its input."""
    layers: list[nn.Module] = []
    channels = 3
    for width in FRONTEND:
        if width is None:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
    layers[-1] = nn.ReLU()
    return nn.Sequential(*layers)
