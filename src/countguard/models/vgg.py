"""VGG's convolutions (Simonyan and Zisserman, ICLR 2015) at any share of their width, with torchvision's key layout."""

from collections.abc import Sequence

from torch import nn

VGG16: tuple[int | None, ...] = (64, 64, None, 128, 128, None, *((256,) * 3), None, *((512,) * 3), None, *((512,) * 3))
VGG19: tuple[int | None, ...] = (64, 64, None, 128, 128, None, *((256,) * 4), None, *((512,) * 4), None, *((512,) * 4))
"""The width of each convolution, None for a 2x2 max pooling; down to stride 16."""


def scaled(width: int, share: float) -> int:
    """A share of a width: whole, and at least 8."""
    return max(8, round(width * share))


def vgg(widths: Sequence[int | None], *, share: float = 1.0, batch_norm: bool = False) -> nn.Sequential:
    """3x3 convolutions, each with its ReLU and, where asked for, with batch norm between the two; and poolings."""
    layers: list[nn.Module] = []
    channels = 3
    for width in widths:
        if width is None:
            layers.append(nn.MaxPool2d(2))
            continue
        own = scaled(width, share)
        layers.append(nn.Conv2d(channels, own, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(own))
        layers.append(nn.ReLU(inplace=True))
        channels = own
    return nn.Sequential(*layers)
