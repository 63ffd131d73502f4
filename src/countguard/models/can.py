"""CAN: a CSRNet whose features are weighed by how they differ from their surroundings (Liu et al., CVPR 2019)."""

import torch
from pydantic import validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, OutputScale, Std
from countguard.models.csrnet import BACKEND, vgg_frontend
from countguard.models.fused import in_turn
from countguard.models.imagenet import vgg_features
from countguard.models.initialization import init_normal
from countguard.models.registry import counter

SCALES = (1, 2, 3, 6)
"""Parts on a side, into which the features are averaged."""


class Context(nn.Module):
    """Averages of the features over parts of the image, blended by how much the features stand out from each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Conv2d(channels, channels, 1, bias=False)) for side in SCALES
        )
        self.bottleneck = nn.Conv2d(2 * channels, channels, 1)
        self.weight_net = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] to the same shape."""
        blended, total = torch.zeros_like(features), torch.zeros_like(features)
        for scale in self.scales:
            around = functional.interpolate(scale(features), features.shape[-2:], mode="bilinear", align_corners=False)
            weight = torch.sigmoid(self.weight_net(features - around))
            blended, total = blended + weight * around, total + weight
        return functional.relu(self.bottleneck(torch.cat([blended / total, features], dim=1)))


@counter("can")
class CAN(Counter):
    """VGG-16 to conv4_3, the context of each place, and CSRNet's back end with batch norm; 18.1 million parameters.

    Its authors train it on quarters of images and count by quarters, since the context spans the whole input. So do
    we: `people_per_cell` cuts an image into four.
    """

    margin = 144  # as CSRNet; the context knows no radius
    pretrained = ("imagenet",)

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(15.0),
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.frontend = vgg_frontend()
        self.context = Context(512)
        self.backend = nn.Sequential()
        width = 512
        for channels in BACKEND:
            self.backend.append(nn.Conv2d(width, channels, 3, padding=2, dilation=2))
            self.backend.append(nn.BatchNorm2d(channels))
            self.backend.append(nn.ReLU(inplace=True))
            width = channels
        self.output_layer = nn.Conv2d(width, 1, 1)
        init_normal(self)

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`."""
        density: Tensor = self.output_layer(self.backend(self.context(in_turn(self.frontend, normalised))))
        return density

    def people_per_cell(self, images: Tensor) -> Tensor:
        """See `Counter.people_per_cell`; each quarter of the images by itself."""
        height, width = (side // 2 // self.stride * self.stride for side in images.shape[-2:])
        halves = [half for half in (images[..., :height, :], images[..., height:, :]) if half.shape[-2]]
        rows = []
        for half in halves:
            quarters = [part for part in (half[..., :width], half[..., width:]) if part.shape[-1]]
            rows.append(torch.cat([super(CAN, self).people_per_cell(part) for part in quarters], dim=3))
        return torch.cat(rows, dim=2)

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; "imagenet" fills the front end."""
        self.frontend.load_state_dict(vgg_features())

    def explained_layer(self) -> nn.Module:
        """The ReLU after conv4_3."""
        return self.frontend[-1]
