"""Random changes to training crowds that move image and points together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
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
    """A square of random side, resized to one size, bicubic and antialiased (CLIP-EBC, Ma et al., 2024).

    Attributes:
        size: side of the result, pixels.
        zoom: the side before resizing is size * U(low, high), at most the image's shorter one: people keep their
            proportions.
    """

    size: Annotated[int, Field(ge=8, le=4096)] = 448
    zoom: Annotated[tuple[Zoom, Zoom], Ordered] = (1.0, 2.0)

    def __call__(self, crowd: Crowd, generator: torch.Generator) -> Crowd:
        """The crop: image uint8 [3, size, size], and the points inside it."""
        low, high = self.zoom
        wanted = int(self.size * uniform(generator, low, high))
        side = min(wanted, crowd.height, crowd.width)
        top = int(uniform(generator) * (crowd.height - side + 1))
        left = int(uniform(generator) * (crowd.width - side + 1))
        image = crowd.image[:, top : top + side, left : left + side]
        shifted = crowd.points - torch.tensor([left, top])
        inside = ((shifted >= 0) & (shifted < side)).all(dim=1)
        if side != self.size:
            image = transforms.resize(image, [self.size, self.size], InterpolationMode.BICUBIC, antialias=True)
        points = clamp_inside(shifted[inside] * (self.size / side), self.size, self.size)
        return replace(crowd, image=image, points=points)


class Augmentation(Settings):
    """What a training does to each image it draws; by default a flip, as CSRNet's recipe has it.

    Jitter, blur and noise are those of CLIP-EBC's public code.

    Attributes:
        cutmix: rolls the image and puts a strip of another one in, first of all; None for never.
        scale: enlarges or shrinks the image in its frame; None for never.
        crop: None leaves the image whole.
        flip: probability of left becoming right; a point moves from x to W - x.
        jitter: probability of a change of brightness, contrast and saturation by up to 10 % each, in random order.
        blur: probability of a 5 x 5 Gaussian blur, its sigma between 0.1 and 5 pixels.
        salt_and_pepper: probability of setting one number in a thousand, of any channel, to 0 and as many to 255.
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
            image = transforms.gaussian_blur(image, [5, 5], [uniform(generator, 0.1, 5.0)])
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
    changes = (transforms.adjust_brightness, transforms.adjust_contrast, transforms.adjust_saturation)
    for place in torch.randperm(len(changes), generator=generator).tolist():
        image = changes[place](image, uniform(generator, 0.9, 1.1))
    return image


def _salt_and_pepper(image: Tensor, generator: torch.Generator, share: float = 1e-3) -> Tensor:
    noise = torch.rand(image.shape, generator=generator).to(image.device)
    salted = torch.where(noise < share, torch.full_like(image, 255), image)
    return torch.where(noise > 1 - share, torch.zeros_like(image), salted)
