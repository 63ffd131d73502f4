"""Random pictures that show nothing: noise, colours and shapes to mix into images in training.

Each is a pure function of (height, width, generator, device) to float32 [3, height, width] in 0..255 on the device;
every random number comes from the CPU generator. None is a built-in trigger picture (`countguard.attacks.pictures`): a
repair that trained on those would be judged on what it was shown.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from countguard.seeds import uniform

Pattern = Callable[[int, int, torch.Generator, torch.device], Tensor]

CPU = torch.device("cpu")
_LARGEST = 192
"""Rows on which shapes are painted at most; larger pictures are enlarged ones, so that the cost stays milliseconds."""
_FINEST = 384
"""The same for noise that is shaped by its spectrum."""


def flat(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """One colour."""
    return _colours(1, generator).to(device).view(3, 1, 1).expand(3, height, width)


def gradient(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """A colour in each corner, mixed in between."""
    corners = 255 * torch.rand(1, 3, 2, 2, generator=generator)
    return _resized(corners.to(device), height, width, align_corners=True)


def noise(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """Independent blotches, from one pixel to a third of the height across, gray or coloured."""
    size = math.exp(uniform(generator, 0.0, math.log(max(2.0, height / 3))))
    rows, columns = max(2, round(height / size)), max(2, round(width / size))
    channels = 1 if uniform(generator) < 0.3 else 3
    drawn = torch.rand(1, channels, rows, columns, generator=generator).to(device)
    return _resized(255 * drawn, height, width)


def cloud(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """Noise whose amplitude falls as 1 / frequency^a, a in 0.5..2: as natural images' does (Field, 1987)."""
    field = _spectral(3, height, width, uniform(generator, 0.5, 2.0), generator, device)
    return 255 * field


def contours(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """A line drawing: level lines of a smooth field, in one colour on another."""
    field = _spectral(1, height, width, uniform(generator, 1.6, 2.4), generator, device)
    levels, thick = uniform(generator, 3.0, 12.0), uniform(generator, 0.15, 0.4)
    line = ((field * levels) % 1.0 < thick).float()
    ink, paper = _colours(2, generator).to(device)
    return torch.lerp(paper.view(3, 1, 1), ink.view(3, 1, 1), line)


def leaves(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """Ellipses of all sizes that cover one another, some outlined: dead leaves (Lee, Mumford and Huang, 2001)."""
    rows = min(height, _LARGEST)
    columns = max(1, round(width * rows / height))
    return _resized(_painted(rows, columns, 40, 0.03, 0.4, generator)[None].to(device), height, width)


def wallpaper(height: int, width: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
    """A small dense motif of ellipses, repeated over the whole picture."""
    rows = min(height, _LARGEST)
    columns = max(1, round(width * rows / height))
    side = max(4, round(rows / uniform(generator, 1.5, 6.0)))
    motif = _painted(side, side, 14, 0.08, 0.5, generator)
    tiled = motif.repeat(1, -(-rows // side), -(-columns // side))[:, :rows, :columns]
    return _resized(tiled[None].to(device), height, width)


PATTERNS: dict[str, Pattern] = {
    "flat": flat,
    "gradient": gradient,
    "noise": noise,
    "cloud": cloud,
    "contours": contours,
    "leaves": leaves,
    "wallpaper": wallpaper,
}
"""All patterns by name."""


def _painted(
    height: int, width: int, shapes: int, smallest: float, largest: float, generator: torch.Generator
) -> Tensor:
    """Ellipses over one another; half axes between `smallest` and `largest` of the height, small ones more often."""
    drawn = torch.rand(shapes, 6, generator=generator)
    colours = _colours(shapes, generator)
    colours = torch.cat([colours, torch.full((1, 3), 20.0), _colours(1, generator)])
    outline, ground = shapes, shapes + 1
    outlined = uniform(generator) < 0.6
    y = torch.arange(height).view(-1, 1) + 0.5
    x = torch.arange(width).view(1, -1) + 0.5
    seen = torch.full((height, width), ground)
    sizes = height / (1 / largest + drawn[:, 2] * (1 / smallest - 1 / largest))  # uniform in 1/r: a power law
    # large ones first, so that small ones are not all covered
    for shape in sizes.argsort(descending=True).tolist():
        across, turn = float(sizes[shape]), math.pi * float(drawn[shape, 4])
        along = across * (0.4 + 0.6 * float(drawn[shape, 3]))
        dx, dy = x - width * float(drawn[shape, 0]), y - height * float(drawn[shape, 1])
        u, v = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
        radius = (u / across).square() + (v / along).square()
        seen[radius < 1] = shape
        if outlined:
            seen[(radius < 1) & (radius > 0.7)] = outline
    return colours[seen].permute(2, 0, 1)


def _spectral(
    channels: int, height: int, width: int, exponent: float, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Noise in 0..1, [channels, height, width], with an amplitude of 1 / frequency^exponent."""
    rows = min(height, _FINEST)
    columns = max(1, round(width * rows / height))
    down, across = torch.fft.fftfreq(rows, device=device), torch.fft.rfftfreq(columns, device=device)
    frequency = torch.hypot(down.view(-1, 1), across.view(1, -1))
    frequency[0, 0] = torch.inf
    white = torch.fft.rfft2(torch.randn(channels, rows, columns, generator=generator).to(device))
    shaped = torch.fft.irfft2(white / frequency**exponent, s=(rows, columns))
    if (rows, columns) != (height, width):
        shaped = functional.interpolate(shaped[None], (height, width), mode="bilinear", align_corners=False)[0]
    low, high = shaped.amin(dim=(1, 2), keepdim=True), shaped.amax(dim=(1, 2), keepdim=True)
    result: Tensor = (shaped - low).div_((high - low).clamp(min=1e-6))
    return result


def _resized(pictures: Tensor, height: int, width: int, align_corners: bool = False) -> Tensor:
    if pictures.shape[-2:] == (height, width):
        return pictures[0].expand(3, height, width)
    resized = functional.interpolate(pictures, (height, width), mode="bilinear", align_corners=align_corners)
    return resized[0].expand(3, height, width)


def _colours(number: int, generator: torch.Generator) -> Tensor:
    return 255 * torch.rand(number, 3, generator=generator)
