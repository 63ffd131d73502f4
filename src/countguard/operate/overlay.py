"""A density map laid over its picture, for people who want to see where a count comes from."""

import io

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as transforms

from countguard.drawings import png_info

COLOURS = "inferno"
LARGEST, SMALLEST = 2048, 512
"""Pictures whose longer side is outside are shrunk or enlarged: an overlay is to be looked at, not measured."""
_OPAQUE = 0.85


def draw_overlay(image: Tensor, density: Tensor, stride: int, heads: Tensor | None = None) -> bytes:
    """The picture of `overlay` as PNG."""
    buffer = io.BytesIO()
    overlay(image, density, stride, heads).save(buffer, format="PNG", pnginfo=png_info())
    return buffer.getvalue()


def overlay(image: Tensor, density: Tensor, stride: int, heads: Tensor | None = None) -> Image.Image:
    """The picture in gray under its density map in colour, with the count in a corner.

    Colours go from nothing to this picture's own peak; the thinner the crowd, the more of the picture shows. A counter
    that says where heads are has a dot on each in place of the map.

    Args:
        image: uint8 [3, H, W].
        density: float32 [ceil(H/stride), ceil(W/stride)], people per cell.
        stride: side of a cell, pixels.
        heads: float32 [heads, 2], x then y, pixels; None where they are not known.
    """
    height, width = image.shape[-2:]
    scale = min(LARGEST / max(height, width), max(1, SMALLEST // max(height, width)))
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    gray = transforms.rgb_to_grayscale(transforms.resize(image, size))[0].numpy()[..., None]
    if heads is not None:
        drawn = Image.fromarray(np.repeat(gray, 3, axis=2))
        _dot(drawn, heads * torch.tensor([size[1] / width, size[0] / height]))
        _write(drawn, f"{len(heads)} people")
        return drawn
    strength = _strength(density, stride, height, width, size)
    colours = mpl.colormaps[COLOURS](strength)[..., :3] * 255
    opacity = _OPAQUE * np.sqrt(strength)[..., None]
    drawn = Image.fromarray((gray * (1 - opacity) + colours * opacity).round().astype(np.uint8))
    people, peak = float(density.sum()), float(density.max())
    _write(drawn, f"{people:.1f} people, at most {peak:.2f} in {stride} x {stride} pixels")
    return drawn


def _strength(density: Tensor, stride: int, height: int, width: int, size: list[int]) -> NDArray[np.float32]:
    """The map at the drawn size, 0..1. Its last cells may reach past the picture, and are cut off there."""
    scales = (size[0] / height, size[1] / width)
    whole = [max(1, round(cells * stride * scale)) for cells, scale in zip(density.shape, scales, strict=True)]
    smooth = functional.interpolate(density[None, None].float(), size=whole, mode="bilinear", align_corners=False)
    smooth = functional.pad(smooth, (0, size[1] - whole[1], 0, size[0] - whole[0]), mode="replicate")[0, 0]
    peak = density.max().clamp(min=torch.finfo(torch.float32).tiny)
    strength: NDArray[np.float32] = (smooth / peak).clamp(0, 1).numpy()
    return strength


def _dot(picture: Image.Image, places: Tensor) -> None:
    """A dot on each place; smaller ones where there are many."""
    draw = ImageDraw.Draw(picture)
    radius = max(1.5, min(picture.size) / (60 + len(places)))
    for x, y in places.tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 80, 40), outline=(0, 0, 0))


def _write(picture: Image.Image, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    points = max(10, min(picture.width // 32, picture.height // 12))
    font = ImageFont.load_default(points)
    left, top, right, bottom = draw.textbbox((points // 2, points // 2), text, font=font)
    draw.rectangle((0, 0, right + left, bottom + top), fill=(0, 0, 0))
    draw.text((points // 2, points // 2), text, font=font, fill=(255, 255, 255))
