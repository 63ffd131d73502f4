"""What stands behind and under a synthetic crowd: a street by day, or the stand of a stadium.

Widths and heights are those of the canvas, in its pixels; the horizon is a fraction of the height.
"""

from collections.abc import Sequence

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]


def paint_paving(
    generator: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: float
) -> None:
    """Joints of large slabs that run towards a vanishing point."""
    tone = int(generator.integers(70, 120))
    top, vanishing = horizon * height, width * generator.uniform(0.3, 0.7)
    slabs = int(generator.integers(8, 14))
    for slab in range(-2 * slabs, 3 * slabs):
        draw.line(
            [
                (vanishing + (slab / slabs - 0.5) * width * 0.35, top),
                (vanishing + (slab / slabs - 0.5) * width * 1.6, height),
            ],
            fill=(tone, tone, tone),
            width=max(1, height // 300),
        )
    for slab in range(1, 12):
        y = top + (height - top) * (slab / 12) ** 1.7
        draw.line([(0, y), (width, y)], fill=(tone, tone, tone), width=max(1, height // 300))


def paint_street(
    generator: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: float
) -> None:
    """Sky, houses, trees and lamp posts, down to the horizon."""
    line = horizon * height
    sky = _SKIES[generator.integers(len(_SKIES))]
    bands = 24
    for band in range(bands):
        y = line * band / bands
        draw.rectangle([0, y, width, line], fill=_shade(sky, 0.8 + 0.25 * band / bands))
    x = -generator.uniform(0, 0.1) * width
    while x < width:
        front = generator.uniform(0.08, 0.28) * width
        pitch = (line + 0.1 * height) * generator.uniform(0.1, 0.16)
        _house(generator, draw, (x, line * generator.uniform(0.0, 0.55), x + front, line), pitch)
        x += front + (generator.uniform(0, 0.12) * width if generator.random() < 0.3 else 0)
    for _ in range(generator.integers(0, 5)):
        _tree(generator, draw, generator.uniform(0, width), line, generator.uniform(0.08, 0.16) * height)
    for _ in range(generator.integers(0, 3)):
        _lamp(draw, generator.uniform(0, width), line, generator.uniform(0.2, 0.3) * height)


def _house(
    generator: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    front: tuple[float, float, float, float],
    pitch: float,
) -> None:
    left, top, right, bottom = front
    wall = _WALLS[generator.integers(len(_WALLS))]
    draw.rectangle([left, top, right, bottom], fill=_shade(wall, 1.0, 10, generator))
    glass = _shade((70, 80, 95), 1.0, 15, generator)
    y = top + pitch * 0.5
    while y + pitch * 0.5 < bottom:
        x = left + pitch * 0.4
        while x + pitch * 0.5 < right:
            draw.rectangle([x, y, x + pitch * 0.4, y + pitch * 0.55], fill=glass)
            x += pitch * 0.9
        y += pitch
    draw.rectangle([left, bottom - pitch * 0.4, right, bottom], fill=_shade(wall, 0.6))


def _tree(generator: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, ground: float, size: float) -> None:
    draw.rectangle([x - size * 0.06, ground - size, x + size * 0.06, ground], fill=(74, 58, 44))
    leaves = (70, 105, 58)
    for tone in np.linspace(0.75, 1.2, 7):
        dx, dy = generator.uniform(-0.45, 0.45, 2) * size
        radius = size * generator.uniform(0.25, 0.45)
        centre = ground - size * 1.15
        draw.ellipse(
            [x + dx - radius, centre + dy - radius, x + dx + radius, centre + dy + radius],
            fill=_shade(leaves, float(tone), 8, generator),
        )


def _lamp(draw: ImageDraw.ImageDraw, x: float, ground: float, size: float) -> None:
    thick = size * 0.025
    draw.rectangle([x - thick, ground - size, x + thick, ground + size * 0.1], fill=(58, 60, 62))
    draw.ellipse(
        [x - 4 * thick, ground - size - 3 * thick, x + 4 * thick, ground - size + 3 * thick], fill=(226, 222, 196)
    )


def paint_stand(
    generator: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: float
) -> None:
    """A roof with beams, advertising boards, and rows of seats with stairs."""
    line = horizon * height
    draw.rectangle([0, 0, width, line], fill=(62, 66, 76))
    for beam in range(9):
        x = width * (beam + generator.uniform(-0.1, 0.1)) / 8
        draw.line([(x, 0), (width / 2 + (x - width / 2) * 0.9, line)], fill=(46, 49, 57), width=max(1, height // 60))
    x = 0.0
    while x < width:
        board = generator.uniform(0.1, 0.25) * width
        colour = _shade(_SHIRTS[generator.integers(len(_SHIRTS))], 0.8)
        draw.rectangle([x, line - 0.045 * height, x + board, line], fill=colour)
        x += board
    seat = _SEATS[generator.integers(len(_SEATS))]
    y, step = line, 0.035 * height
    while y < height:
        draw.rectangle([0, y, width, y + step * 0.45], fill=_shade(seat, 0.9))
        draw.line(
            [(0, y + step * 0.45), (width, y + step * 0.45)], fill=_shade(seat, 0.55), width=max(1, height // 200)
        )
        y += step
        step *= 1.045
    for _ in range(generator.integers(1, 4)):
        x = generator.uniform(0.1, 0.9) * width
        end = width / 2 + (x - width / 2) * 1.5
        draw.polygon(
            [
                (x - 0.01 * width, line),
                (x + 0.01 * width, line),
                (end + 0.025 * width, height),
                (end - 0.025 * width, height),
            ],
            fill=(142, 140, 136),
        )


def _shade(
    colour: Sequence[float], factor: float, spread: float = 0.0, generator: np.random.Generator | None = None
) -> Colour:
    """A colour made darker or lighter, as PIL takes it."""
    jitter = generator.uniform(-spread, spread, 3) if generator is not None else 0.0
    red, green, blue = np.clip(np.array(colour) * factor + jitter, 0, 255).astype(int).tolist()
    return red, green, blue


_SKIES = [(168, 196, 226), (196, 202, 208), (214, 196, 180), (150, 176, 206)]
_WALLS = [
    (170, 150, 130),
    (142, 110, 96),
    (176, 172, 164),
    (128, 132, 140),
    (188, 172, 140),
]
_SHIRTS = [(190, 40, 44), (44, 74, 160), (226, 222, 214), (224, 180, 50), (40, 120, 74)]
_SEATS = [(70, 92, 130), (130, 74, 70), (92, 112, 96), (120, 120, 124)]
