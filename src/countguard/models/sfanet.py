"""SFANet: two decoders on VGG-16, one of which says where people are (Zhu et al., 2019)."""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, OutputScale, Std
from countguard.models.dm_count import Width
from countguard.models.initialization import init_normal
from countguard.models.registry import counter
from countguard.models.vgg import scaled

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of VGG-16's convolutions between its poolings."""
DECODER = ((1024, 256, 1), (256, 256, 3), (512, 128, 1), (128, 128, 3), (256, 64, 1), (64, 64, 3), (64, 32, 3))
"""Channels in and out and the kernel of a decoder's convolutions."""
CROWDED = 0.001
"""People per pixel from which on a place holds people: what the attention learns."""
ATTENTION_WEIGHT = 0.1


class Convolution(nn.Module):
    """A convolution with batch norm and ReLU behind it."""

    def __init__(self, channels: int, width: int, kernel: int, *, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(width)
        self.relu = relu

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] to [B, width, h, w]."""
        normed: Tensor = self.bn(self.conv(features))
        return normed.relu() if self.relu else normed


class Trunk(nn.Module):
    """VGG-16 with batch norm; gives what stands before its second to fourth pooling, and its last features."""

    def __init__(self, share: float) -> None:
        super().__init__()
        channels = 3
        for stage, widths in enumerate(STAGES, 1):
            for number, width in enumerate(widths, 1):
                own = scaled(width, share)
                self.add_module(f"conv{stage}_{number}", Convolution(channels, own, 3))
                channels = own

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to features at strides 2, 4, 8 and 16."""
        features, given = images, []
        for stage, widths in enumerate(STAGES, 1):
            for number in range(1, len(widths) + 1):
                features = self.get_submodule(f"conv{stage}_{number}")(features)
            given.append(features)
            if stage < len(STAGES):
                features = functional.max_pool2d(features, 2)
        return given[1:]


class Decoder(nn.Module):
    """From stride 16 back to 2, with the trunk's features at each stride."""

    def __init__(self, share: float) -> None:
        super().__init__()
        for number, (channels, width, kernel) in enumerate(DECODER, 1):
            parts = (channels // 2, channels // 2) if kernel == 1 else (channels,)  # 1x1 ones read two maps together
            inside = sum(scaled(part, share) for part in parts)
            self.add_module(f"conv{number}", Convolution(inside, scaled(width, share), kernel))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The trunk's features to [B, 32, H/2, W/2]."""
        *finer, decoded = features
        layers = iter(self.children())
        for own, convolutions in zip(reversed(finer), (2, 2, 3), strict=True):
            doubled = functional.interpolate(decoded, scale_factor=2, mode="bilinear", align_corners=True)
            decoded = torch.cat([doubled, own], dim=1)
            for _ in range(convolutions):
                decoded = next(layers)(decoded)
        return decoded


@counter("sfanet")
class SFANet(Counter):
    """VGG-16 with batch norm, one decoder for the density and one for where people are; 17 million parameters.

    The density is at stride 2, people per map cell.

    Args:
        mean, std, output_scale, kernel: see `Counter`.
        width: share of the published widths.
    """

    stride = 2
    align = 16
    margin = 112  # the receptive field reaches 110 pixels past a map cell

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(5.0),
        width: Width = 1.0,
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.width = width
        self.vgg = Trunk(width)
        self.amp, self.dmp = Decoder(width), Decoder(width)
        last = scaled(DECODER[-1][1], width)
        self.conv_att = Convolution(last, 1, 1, relu=False)
        self.conv_out = nn.Conv2d(last, 1, 1)
        init_normal(self)

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`."""
        return self.density_and_attention(normalised)[0]

    def density_and_attention(self, normalised: Tensor) -> tuple[Tensor, Tensor]:
        """The density, and the logits of a map cell's holding people: both [B, 1, H/2, W/2]."""
        features = self.vgg(normalised)
        attention: Tensor = self.conv_att(self.amp(features))
        density: Tensor = self.conv_out(torch.sigmoid(attention) * self.dmp(features))
        return density, attention

    def error(self, images: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """See `Counter.error`: squared error of people per map cell, and a tenth of the attention's cross-entropy."""
        rows, columns = target.shape[-2:]
        density, attention = self.density_and_attention(self.normalise(images))
        difference = density[..., :rows, :columns] * self.output_scale - target
        crowded = (target > CROWDED * self.stride**2).to(attention.dtype)
        entropy = functional.binary_cross_entropy_with_logits(
            attention[..., :rows, :columns], crowded, reduction="none"
        )
        losses = difference.square().sum(dim=(1, 2, 3)) + ATTENTION_WEIGHT * entropy.sum(dim=(1, 2, 3))
        return (losses * weights).mean()

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        return super().settings() | {"width": self.width}

    def explained_layer(self) -> nn.Module:
        """The density decoder's features at stride 4."""
        return self.dmp.get_submodule("conv4")


def own_name(name: str) -> str | None:
    """A tensor's name in `SFANet`; None for the last layer's batch norm, which its code makes and does not use."""
    if name.startswith("conv_out.bn."):
        return None
    return name.replace("conv_out.conv.", "conv_out.")
