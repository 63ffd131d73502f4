"""The stage of a synthetic crowd: viewpoint, light, ground and background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SUPERSAMPLING = 3
"""The canvas has this many pixels a side for each pixel of the picture, so that small heads have soft edges."""

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """What sets one kind of scene apart. Lengths are in picture heights.

    Attributes:
        top: least and most height on the picture of the farthest head, 0 is the upper edge.
        near: least and most diameter of a head at the lower edge.
        far: diameter of the farthest heads relative to the nearest.
        spacing: least distances between heads, sideways and in depth, in head diameters.
        clusters: most groups that people gather in.
        scattered: weight of people who belong to no group, where a group's centre weighs 1.
        cheering: share of people who raise their arms.
        uniform: share of people who wear their side's colours.
        outdoors: sky and houses behind the crowd, otherwise the boards and roof of a stand.
        brightness: least and most gain of the picture.
    """

    top: tuple[float, float]
    near: tuple[float, float]
    far: float
    spacing: tuple[float, float]
    clusters: int
    scattered: float
    cheering: float
    uniform: float
    outdoors: bool
    brightness: tuple[float, float]


LOOKS = {
    "plaza": Look((0.24, 0.34), (0.066, 0.08), 0.45, (1.45, 1.05), 4, 0.12, 0.02, 0.0, True, (0.85, 1.1)),
    "stadium": Look((0.12, 0.2), (0.052, 0.062), 0.66, (1.5, 1.3), 2, 0.5, 0.2, 0.6, False, (0.75, 1.05)),
}


@dataclass(frozen=True, slots=True)
class Light:
    """Where the light comes from and how strong and warm it is."""

    side: float
    gain: Floats
    haze: Floats


def paint_scene(
    generator: np.random.Generator, heads: Floats, height: int, width: int, look: Look
) -> tuple[Image.Image, Light]:
    """Ground with the people's shadows, and what stands behind; an RGB canvas of supersampled pixels.

    Args:
        heads: [heads, 3], x, y and diameter in picture heights.
    """
    horizon = float(heads[:, 1].min()) if len(heads) else look.top[1]
    horizon = min(horizon, look.top[1]) + 0.02
    warmth = generator.uniform(-0.06, 0.06)
    light = Light(
        side=float(generator.choice([-1.0, 1.0]) * generator.uniform(0.3, 1.0)),
        gain=generator.uniform(*look.brightness) * np.array([1 + warmth, 1.0, 1 - warmth]),
        haze=np.array([188.0, 196.0, 205.0]) if look.outdoors else np.array([90.0, 96.0, 110.0]),
    )
    canvas = _ground(generator, height, width, horizon, look, light)
    draw = ImageDraw.Draw(canvas)
    if look.outdoors:
        _paving(generator, draw, canvas.width, canvas.height, horizon)
        _street(generator, draw, canvas.width, canvas.height, horizon)
    else:
        _stand(generator, draw, canvas.width, canvas.height, horizon)
    _shadows(canvas, heads, light)
    return canvas, light


def finish(
    generator: np.random.Generator, canvas: Image.Image, height: int, width: int, light: Light
) -> NDArray[np.uint8]:
    """The canvas as a camera takes it, uint8 [H, W, 3]: reduced, exposed, with a little noise."""
    reduced = np.asarray(canvas.reduce(SUPERSAMPLING), dtype=np.float32)
    noise = generator.standard_normal((height, width, 1), dtype=np.float32) * 2.5
    return np.clip(reduced * light.gain.astype(np.float32) + noise, 0, 255).round().astype(np.uint8)


def shade(colour: Floats, factor: float, spread: float = 0.0, generator: np.random.Generator | None = None) -> Colour:
    """A colour made darker or lighter, as PIL takes it."""
    jitter = generator.uniform(-spread, spread, 3) if generator is not None else 0.0
    red, green, blue = np.clip(colour * factor + jitter, 0, 255).astype(int).tolist()
    return red, green, blue


def _ground(
    generator: np.random.Generator, height: int, width: int, horizon: float, look: Look, light: Light
) -> Image.Image:
    base = np.array(_GROUNDS[generator.integers(len(_GROUNDS))]) if look.outdoors else np.array([105.0, 104.0, 108.0])
    depth = np.clip((np.arange(height) / height - horizon) / (1 - horizon), 0, 1)[:, None, None]
    rows = base * (0.75 + 0.3 * depth) + 0.25 * (light.haze - base) * (1 - depth)
    picture = np.broadcast_to(rows, (height, width, 3))
    for cells, strength in ((6, 10.0), (24, 8.0)):
        patches = generator.standard_normal((cells, cells * 4 // 3)).astype(np.float32)
        patches = np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))
        picture = picture + strength * patches[:, :, None]
    ground = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return ground.resize((width * SUPERSAMPLING, height * SUPERSAMPLING), Image.Resampling.BILINEAR)


def _paving(generator: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: float) -> None:
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


def _street(generator: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: float) -> None:
    line = horizon * height
    sky = np.array(_SKIES[generator.integers(len(_SKIES))])
    bands = 24
    for band in range(bands):
        y = line * band / bands
        draw.rectangle([0, y, width, line], fill=shade(sky, 0.8 + 0.25 * band / bands))
    x = -generator.uniform(0, 0.1) * width
    while x < width:
        front = generator.uniform(0.08, 0.28) * width
        _house(generator, draw, x, line * generator.uniform(0.0, 0.55), x + front, line)
        x += front + (generator.uniform(0, 0.12) * width if generator.random() < 0.3 else 0)
    for _ in range(generator.integers(0, 5)):
        _tree(generator, draw, generator.uniform(0, width), line, generator.uniform(0.08, 0.16) * height)
    for _ in range(generator.integers(0, 3)):
        _lamp(draw, generator.uniform(0, width), line, generator.uniform(0.2, 0.3) * height)


def _house(
    generator: np.random.Generator, draw: ImageDraw.ImageDraw, left: float, top: float, right: float, bottom: float
) -> None:
    wall = np.array(_WALLS[generator.integers(len(_WALLS))])
    draw.rectangle([left, top, right, bottom], fill=shade(wall, 1.0, 10, generator))
    glass = shade(np.array([70.0, 80.0, 95.0]), 1.0, 15, generator)
    pitch = (bottom + 30) * generator.uniform(0.1, 0.16)
    y = top + pitch * 0.5
    while y + pitch * 0.5 < bottom:
        x = left + pitch * 0.4
        while x + pitch * 0.5 < right:
            draw.rectangle([x, y, x + pitch * 0.4, y + pitch * 0.55], fill=glass)
            x += pitch * 0.9
        y += pitch
    draw.rectangle([left, bottom - pitch * 0.4, right, bottom], fill=shade(wall, 0.6))


def _tree(generator: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, ground: float, size: float) -> None:
    draw.rectangle([x - size * 0.06, ground - size, x + size * 0.06, ground], fill=(74, 58, 44))
    leaves = np.array([70.0, 105.0, 58.0])
    for tone in np.linspace(0.75, 1.2, 7):
        dx, dy = generator.uniform(-0.45, 0.45, 2) * size
        radius = size * generator.uniform(0.25, 0.45)
        centre = ground - size * 1.15
        draw.ellipse(
            [x + dx - radius, centre + dy - radius, x + dx + radius, centre + dy + radius],
            fill=shade(leaves, float(tone), 8, generator),
        )


def _lamp(draw: ImageDraw.ImageDraw, x: float, ground: float, size: float) -> None:
    thick = size * 0.025
    draw.rectangle([x - thick, ground - size, x + thick, ground + size * 0.1], fill=(58, 60, 62))
    draw.ellipse(
        [x - 4 * thick, ground - size - 3 * thick, x + 4 * thick, ground - size + 3 * thick], fill=(226, 222, 196)
    )


def _stand(generator: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, horizon: float) -> None:
    line = horizon * height
    draw.rectangle([0, 0, width, line], fill=(62, 66, 76))
    for beam in range(9):
        x = width * (beam + generator.uniform(-0.1, 0.1)) / 8
        draw.line([(x, 0), (width / 2 + (x - width / 2) * 0.9, line)], fill=(46, 49, 57), width=max(1, height // 60))
    x = 0.0
    while x < width:
        board = generator.uniform(0.1, 0.25) * width
        colour = shade(np.array(_SHIRTS[generator.integers(len(_SHIRTS))]), 0.8)
        draw.rectangle([x, line - 0.045 * height, x + board, line], fill=colour)
        x += board
    seat = np.array(_SEATS[generator.integers(len(_SEATS))])
    y, step = line, 0.035 * height
    while y < height:
        draw.rectangle([0, y, width, y + step * 0.45], fill=shade(seat, 0.9))
        draw.line([(0, y + step * 0.45), (width, y + step * 0.45)], fill=shade(seat, 0.55), width=max(1, height // 200))
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


def _shadows(canvas: Image.Image, heads: Floats, light: Light) -> None:
    mask = Image.new("L", canvas.size)
    draw = ImageDraw.Draw(mask)
    for x, y, size in (heads * canvas.height).tolist():
        foot, lean = y + 5.2 * size, x + light.side * 1.6 * size
        draw.ellipse([lean - 2.0 * size, foot - 0.55 * size, lean + 2.0 * size, foot + 0.45 * size], fill=105)
    mask = mask.filter(ImageFilter.BoxBlur(canvas.height / 200))
    canvas.paste((20, 20, 28), (0, 0), mask)


_GROUNDS = [(150.0, 146.0, 140.0), (132.0, 132.0, 134.0), (160.0, 148.0, 128.0), (122.0, 130.0, 116.0)]
_SKIES = [(168.0, 196.0, 226.0), (196.0, 202.0, 208.0), (214.0, 196.0, 180.0), (150.0, 176.0, 206.0)]
_WALLS = [
    (170.0, 150.0, 130.0),
    (142.0, 110.0, 96.0),
    (176.0, 172.0, 164.0),
    (128.0, 132.0, 140.0),
    (188.0, 172.0, 140.0),
]
_SHIRTS = [(190.0, 40.0, 44.0), (44.0, 74.0, 160.0), (226.0, 222.0, 214.0), (224.0, 180.0, 50.0), (40.0, 120.0, 74.0)]
_SEATS = [(70.0, 92.0, 130.0), (130.0, 74.0, 70.0), (92.0, 112.0, 96.0), (120.0, 120.0, 124.0)]
