"""Crowds at another size: the picture resampled, the heads moved along."""

from dataclasses import replace

import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.data.images import MAX_PIXELS, MIN_SIDE
from countguard.errors import InputError


def rescale(crowd: Crowd, scale: float) -> Crowd:
    """A crowd with both sides times `scale`, rounded to whole pixels; the same crowd for a scale of 1.

    Antialiased; heads move by the exact ratio of the sides. A fixed kernel's sigma stays: it is in pixels of the
    picture that the counter sees.

    Raises:
        InputError: the picture would have more than `MAX_PIXELS`, or a side under `MIN_SIDE`.
    """
    if scale == 1:
        return crowd
    height, width = round(crowd.height * scale), round(crowd.width * scale)
    size = f"{crowd.id}: data.scale {scale} makes it {width} x {height} pixels"
    if height * width > MAX_PIXELS:
        raise InputError(f"{size}; at most {MAX_PIXELS:,} are read")
    if min(height, width) < MIN_SIDE:
        raise InputError(f"{size}; both sides need at least {MIN_SIDE}")
    return resized(crowd, height, width)


def resized(crowd: Crowd, height: int, width: int) -> Crowd:
    """A crowd at another size, antialiased, its heads moved by the exact ratio of the sides."""
    from torchvision.transforms.v2 import functional as transforms

    image = transforms.resize(crowd.image, [height, width], antialias=True)
    ratio = torch.tensor([width / crowd.width, height / crowd.height])
    return replace(crowd, image=image, points=clamp_inside(crowd.points * ratio, height, width))


def clamp_inside(points: Tensor, height: int, width: int) -> Tensor:
    """Points [heads, 2] moved to the nearest place with 0 <= x < width and 0 <= y < height."""
    sides = torch.tensor([float(width), float(height)])
    return points.clamp(min=torch.zeros(2), max=torch.nextafter(sides, torch.zeros(2)))
