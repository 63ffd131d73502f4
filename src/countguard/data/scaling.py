"""Crowds at another size: the picture resampled, the heads moved along."""

from dataclasses import replace

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from countguard.data.crowd import Crowd
from countguard.data.images import MAX_PIXELS
from countguard.errors import InputError


def rescale(crowd: Crowd, scale: float) -> Crowd:
    """A crowd with both sides times `scale`, rounded to whole pixels, at least one; the same crowd for a scale of 1.

    Antialiased; heads move by the exact ratio of the sides. A fixed kernel's sigma stays: it is in pixels of the
    picture that the counter sees.

    Raises:
        InputError: the larger picture would have more than `MAX_PIXELS`.
    """
    if scale == 1:
        return crowd
    height, width = max(1, round(crowd.height * scale)), max(1, round(crowd.width * scale))
    if height * width > MAX_PIXELS:
        raise InputError(f"{crowd.id}: data.scale {scale} makes it {width} x {height}; at most {MAX_PIXELS:,} pixels")
    image = transforms.resize(crowd.image, [height, width], antialias=True)
    ratio = torch.tensor([width / crowd.width, height / crowd.height])
    return replace(crowd, image=image, points=clamp_inside(crowd.points * ratio, height, width))


def clamp_inside(points: Tensor, height: int, width: int) -> Tensor:
    """Points [heads, 2] moved to the nearest place with 0 <= x < width and 0 <= y < height."""
    sides = torch.tensor([float(width), float(height)])
    return points.clamp(min=torch.zeros(2), max=torch.nextafter(sides, torch.zeros(2)))
