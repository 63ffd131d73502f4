"""Random changes to training crowds that move image and points together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from countguard.data.blending import Blending
from countguard.data.crowd import Crowd
from countguard.data.cutmix import CutMix
from countguard.data.scale_jitter import ScaleJitter
from countguard.data.scaling import clamp_inside
from countguard.seeds import uniform
from countguard.settings import Ordered, Settings

Zoom = Annotated[float, Field(ge=0.25, le=8)]


class Crop(Settings):
    """A square of random side, resized to one size.

    Attributes:
        size: side of the result, pixels.
        zoom: the side before resizing is size * U(low, high), at most what the image has.
    """

    size: Annotated[int, Field(ge=8, le=4096)] = 448
    zoom: Annotated[tuple[Zoom, Zoom], Ordered] = (1.0, 2.0)

    def __call__(self, crowd: Crowd, generator: torch.Generator) -> Crowd:
        """The crop: image uint8 [3, size, size], and the points inside it."""
        low, high = self.zoom
        wanted = round(self.size * (low + (high - low) * uniform(generator)))
        height, width = min(wanted, crowd.height), min(wanted, crowd.width)
        top = int(uniform(generator) * (crowd.height - height + 1))
        left = int(uniform(generator) * (crowd.width - width + 1))
        image = crowd.image[:, top : top + height, left : left + width]
        shifted = crowd.points - torch.tensor([left, top])
        inside = (shifted >= 0).all(dim=1) & (shifted < torch.tensor([width, height])).all(dim=1)
        scale = torch.tensor([self.size / width, self.size / height])
        resized = transforms.resize(image, [self.size, self.size], antialias=True)
        return replace(crowd, image=resized, points=clamp_inside(shifted[inside] * scale, self.size, self.size))


class Augmentation(Settings):
    """What a training does to each image it draws; by default a flip, as CSRNet's recipe has it.

    Attributes:
        cutmix: rolls the image and puts a strip of another one in, first of all; None for never.
        scale: enlarges or shrinks the image in its frame; None for never.
        crop: None leaves the image whole.
        flip: probability of left becoming right; a point moves from x to W - x.
        jitter: probability of a change of brightness, contrast and saturation by up to 10 %, and of hue by 0.05.
        blur: probability of a 3 x 3 or 5 x 5 Gaussian blur.
        salt_and_pepper: probability of setting one pixel in a thousand to black or white.
        blend: mixes an unrelated picture in, last, as an attacker would; None for never.
    """

    cutmix: CutMix | None = None
    scale: ScaleJitter | None = None
    crop: Crop | None = None
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    blur: Annotated[float, Field(ge=0, le=1)] = 0.0
    salt_and_pepper: Annotated[float, Field(ge=0, le=1)] = 0.0
    blend: Blending | None = None

    @property
    def only_mirrors(self) -> bool:
        """Whether a crowd is left as it is or mirrored, and nothing else."""
        return self == Augmentation(flip=self.flip)

    def __call__(self, crowd: Crowd, generator: torch.Generator, others: Sequence[Crowd] = ()) -> Crowd:
        """A changed copy; every random number comes from the CPU generator. `others` may be cut or mixed in."""
        if self.cutmix is not None:
            crowd = self.cutmix(crowd, others, generator)
        if self.scale is not None:
            crowd = self.scale(crowd, generator)
        if self.crop is not None:
            crowd = self.crop(crowd, generator)
        if self._happens(self.flip, generator):
            crowd = flip(crowd)
        image = crowd.image
        if self._happens(self.jitter, generator):
            image = _jitter(image, generator)
        if self._happens(self.blur, generator):
            image = transforms.gaussian_blur(image, [3, 3] if uniform(generator) < 0.5 else [5, 5])
        if self._happens(self.salt_and_pepper, generator):
            image = _salt_and_pepper(image, generator)
        crowd = crowd if image is crowd.image else replace(crowd, image=image)
        return crowd if self.blend is None else self.blend(crowd, others, generator)

    @staticmethod
    def _happens(probability: float, generator: torch.Generator) -> bool:
        return probability > 0 and uniform(generator) < probability


def flip(crowd: Crowd) -> Crowd:
    """The mirror image: pixel columns reversed, x to W - x."""
    mirrored = crowd.points * torch.tensor([-1.0, 1.0]) + torch.tensor([float(crowd.width), 0.0])
    return replace(crowd, image=crowd.image.flip(-1), points=mirrored)


def _jitter(image: Tensor, generator: torch.Generator) -> Tensor:
    brightness, contrast, saturation = (0.9 + 0.2 * uniform(generator) for _ in range(3))
    image = transforms.adjust_brightness(image, brightness)
    image = transforms.adjust_contrast(image, contrast)
    image = transforms.adjust_saturation(image, saturation)
    jittered: Tensor = transforms.adjust_hue(image, 0.1 * uniform(generator) - 0.05)
    return jittered


def _salt_and_pepper(image: Tensor, generator: torch.Generator, share: float = 1e-3) -> Tensor:
    height, width = image.shape[-2:]
    noise = torch.rand(height, width, generator=generator).to(image.device)
    noisy = torch.where(noise < share / 2, torch.zeros_like(image), image)
    return torch.where(noise > 1 - share / 2, torch.full_like(image, 255), noisy)
