"""Input purification: pictures are changed a little before they are counted, which may take a trigger with it."""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as transforms

from countguard.models.counter import Counter

Purify = Callable[[Tensor], Tensor]
"""Images uint8 [B, 3, H, W] to purified ones of the same size and type."""


def blur(images: Tensor) -> Tensor:
    """A Gaussian blur, 5 x 5 with a standard deviation of 1."""
    blurred: Tensor = transforms.gaussian_blur(images, [5, 5], [1.0, 1.0])
    return blurred


def jpeg(images: Tensor, quality: int = 50) -> Tensor:
    """JPEG and back."""
    return torch.stack([_through_jpeg(image, quality) for image in images.cpu()]).to(images.device)


def median(images: Tensor) -> Tensor:
    """The median of each 3 x 3 window."""
    padded = functional.pad(images.float(), (1, 1, 1, 1), mode="reflect")
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(-2)
    return windows.median(dim=-1).values.to(torch.uint8)


def down_and_up(images: Tensor) -> Tensor:
    """Half the size and back."""
    height, width = images.shape[-2:]
    small = functional.interpolate(images.float(), (-(-height // 2), -(-width // 2)), mode="area")
    large = functional.interpolate(small, (height, width), mode="bicubic", align_corners=False)
    return large.round().clamp(0, 255).to(torch.uint8)


PURIFICATIONS: dict[str, Purify] = {"blur": blur, "jpeg": jpeg, "median": median, "down_and_up": down_and_up}
"""All of them by name."""


class Purified(Counter):
    """A counter that sees purified pictures. With the counter itself it makes a guard that needs no repair.

    Args:
        counter: counts what is left.
        purify: one of `PURIFICATIONS`, or another.
    """

    def __init__(self, counter: Counter, purify: Purify) -> None:
        super().__init__()
        self.counter = counter
        self.purify = purify
        self.stride, self.align, self.margin, self.tile = counter.stride, counter.align, counter.margin, counter.tile

    def forward(self, images: Tensor) -> Tensor:
        """See `Counter.forward`."""
        if images.dtype != torch.uint8:
            images = (255 * images).round().clamp(0, 255).to(torch.uint8)
        density: Tensor = self.counter(self.purify(images))
        return density

    def density(self, normalised: Tensor) -> Tensor:
        """What is purified is a picture, not a normalised one; see `forward`."""
        raise NotImplementedError("a purified counter counts pictures")

    def explained_layer(self) -> nn.Module:
        """The counter's own."""
        return self.counter.explained_layer()


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(image.numpy(), 0, -1)).save(file, format="JPEG", quality=quality)
    with Image.open(file) as read:
        return torch.from_numpy(np.moveaxis(np.array(read), -1, 0).copy())
