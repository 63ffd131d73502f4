"""A density map laid over its picture, for people who want to see where a count comes from."""

import io
import math

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
_SMOOTH = 120
"""The map is smoothed by the longer side over this, and by a map cell at least: cells do not show as blocks."""
_BRIGHTEST = 0.998
"""Share of the map below the brightest colour: one sharp peak does not darken everything else."""


def draw_overlay(image: Tensor, density: Tensor, stride: int, heads: Tensor | None = None) -> bytes:
    """The picture of `overlay` as PNG."""
    buffer = io.BytesIO()
    overlay(image, density, stride, heads).save(buffer, format="PNG", pnginfo=png_info())
    return buffer.getvalue()


def overlay(image: Tensor, density: Tensor, stride: int, heads: Tensor | None = None) -> Image.Image:
    """The picture in gray under its smoothed density map in colour; the count stands below it.

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
    thinned = image[:, :: (step := max(1, math.floor(1 / (2 * scale)))), ::step]  # little memory for large pictures
    gray = transforms.rgb_to_grayscale(transforms.resize(thinned, size, antialias=True))[0].numpy()[..., None]
    if heads is not None:
        drawn = Image.fromarray(np.repeat(gray, 3, axis=2))
        _dot(drawn, heads * torch.tensor([size[1] / width, size[0] / height]))
        return _captioned(drawn, f"{len(heads)} people")
    strength, brightest = _strength(density, stride, height, width, size)
    colours = mpl.colormaps[COLOURS](strength)[..., :3] * 255
    opacity = _OPAQUE * np.sqrt(strength)[..., None]
    drawn = Image.fromarray((gray * (1 - opacity) + colours * opacity).round().astype(np.uint8))
    people = float(density.sum())
    area = brightest * (100 / stride) ** 2
    return _captioned(drawn, f"{people:.1f} people; brightest: {area:.3g} on 100 x 100 pixels")


def _strength(
    density: Tensor, stride: int, height: int, width: int, size: list[int]
) -> tuple[NDArray[np.float32], float]:
    """The smoothed map at the drawn size, 0..1, and what 1 stands for, people per cell.

    Its last cells may reach past the picture, and are cut off there.
    """
    smoothed = _smoothed(density.float(), max(1.0, max(height, width) / (_SMOOTH * stride)))
    scales = (size[0] / height, size[1] / width)
    whole = [max(1, round(cells * stride * scale)) for cells, scale in zip(density.shape, scales, strict=True)]
    large = functional.interpolate(smoothed[None, None], size=whole, mode="bilinear", align_corners=False)
    large = functional.pad(large, (0, size[1] - whole[1], 0, size[0] - whole[0]), mode="replicate")[0, 0]
    places = smoothed.flatten().sort().values
    brightest = max(float(places[math.ceil(_BRIGHTEST * len(places)) - 1]), 0.25 * float(places[-1]))
    strength: NDArray[np.float32] = (large / max(brightest, torch.finfo(torch.float32).tiny)).clamp(0, 1).numpy()
    return strength, max(brightest, 0.0)


def _smoothed(density: Tensor, deviation: float) -> Tensor:
    """The map under a Gaussian, in cells; nothing is lost at the edges."""
    radius = math.ceil(3 * deviation)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / deviation).square())
    spread, inside = density[None, None], torch.ones_like(density)[None, None]
    for kernel in (weights.view(1, 1, -1, 1), weights.view(1, 1, 1, -1)):
        padding = (kernel.shape[2] // 2, kernel.shape[3] // 2)
        spread = functional.conv2d(spread, kernel, padding=padding)
        inside = functional.conv2d(inside, kernel, padding=padding)
    return (spread / inside)[0, 0]


def _dot(picture: Image.Image, places: Tensor) -> None:
    """A dot on each place; smaller ones where there are many."""
    draw = ImageDraw.Draw(picture)
    radius = max(1.5, min(picture.size) / (60 + len(places)))
    for x, y in places.tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 80, 40), outline=(0, 0, 0))


def _captioned(picture: Image.Image, text: str) -> Image.Image:
    """The picture with a line below it, as large as its width allows; nothing of the picture is covered."""
    points = max(10, min(picture.width // 36, 40))
    band = 2 * points  # whatever the text is: frames of a film have one size
    font = ImageFont.load_default(points)
    while points > 6 and font.getlength(text) > picture.width - points:
        points -= 1
        font = ImageFont.load_default(points)
    if font.getlength(text) > picture.width:
        text = text.partition(";")[0]
    whole = Image.new("RGB", (picture.width, picture.height + band), (0, 0, 0))
    whole.paste(picture, (0, 0))
    ImageDraw.Draw(whole).text((points // 2, picture.height + band // 2), text, font=font, fill="white", anchor="lm")
    return whole
