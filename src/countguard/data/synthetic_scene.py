"""The stage of a synthetic crowd: viewpoint, light, ground and background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from countguard.data.synthetic_scenery import paint_paving, paint_stand, paint_street

SUPERSAMPLING = 3
"""The canvas has this many pixels a side for each pixel of the picture, so that small heads have soft edges."""

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
        cheering: fraction of people who raise their arms.
        uniform: fraction of people who wear their side's colours.
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
    "plaza": Look((0.24, 0.34), (0.066, 0.076), 0.6, (1.35, 1.2), 4, 0.12, 0.02, 0.0, True, (0.85, 1.1)),
    "stadium": Look((0.12, 0.2), (0.052, 0.062), 0.66, (1.5, 1.3), 2, 0.5, 0.2, 0.6, False, (0.75, 1.05)),
}


@dataclass(frozen=True, slots=True)
class Light:
    """How a scene is lit.

    Attributes:
        side: where shadows fall, -1 to the left, 1 to the right.
        gain: of the three channels.
        haze: colour of what is far away.
    """

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
        paint_paving(generator, draw, canvas.width, canvas.height, horizon)
        paint_street(generator, draw, canvas.width, canvas.height, horizon)
    else:
        paint_stand(generator, draw, canvas.width, canvas.height, horizon)
    _shadows(canvas, heads, light)
    return canvas, light


def finish(
    generator: np.random.Generator, canvas: Image.Image, height: int, width: int, light: Light
) -> NDArray[np.uint8]:
    """The canvas as a camera takes it, uint8 [H, W, 3]: reduced, exposed, with a little noise."""
    picture = np.asarray(canvas.reduce(SUPERSAMPLING), dtype=np.float32)
    noise = generator.standard_normal((height, width, 1), dtype=np.float32) * 2.5
    exposed = np.clip(picture * light.gain.astype(np.float32) + noise, 0, 255)
    image: NDArray[np.uint8] = exposed.round().astype(np.uint8)
    return image


def _ground(
    generator: np.random.Generator, height: int, width: int, horizon: float, look: Look, light: Light
) -> Image.Image:
    base = np.array(_GROUNDS[generator.integers(len(_GROUNDS))]) if look.outdoors else np.array([105.0, 104.0, 108.0])
    depth = np.clip((np.arange(height) / height - horizon) / (1 - horizon), 0, 1)[:, None, None]
    rows = base * (0.75 + 0.3 * depth) + 0.25 * (light.haze - base) * (1 - depth)
    picture = np.broadcast_to(rows, (height, width, 3))
    for cells, strength in ((6, 10.0), (24, 8.0)):
        picture = picture + strength * _patches(generator, cells, height, width)
    ground = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return ground.resize((width * SUPERSAMPLING, height * SUPERSAMPLING), Image.Resampling.BILINEAR)


def _patches(generator: np.random.Generator, cells: int, height: int, width: int) -> NDArray[np.float32]:
    """Smooth noise of unit variance at its knots, [H, W, 1], with so many knots from top to bottom."""
    knots = generator.standard_normal((cells, cells * 4 // 3), dtype=np.float32)
    return np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC))[:, :, None]


def _shadows(canvas: Image.Image, heads: Floats, light: Light) -> None:
    mask = Image.new("L", canvas.size)
    draw = ImageDraw.Draw(mask)
    for x, y, size in (heads * canvas.height).tolist():
        foot, lean = y + 5.2 * size, x + light.side * 1.6 * size
        draw.ellipse([lean - 2.0 * size, foot - 0.55 * size, lean + 2.0 * size, foot + 0.45 * size], fill=105)
    mask = mask.filter(ImageFilter.BoxBlur(canvas.height / 200))
    canvas.paste((20, 20, 28), (0, 0), mask)


_GROUNDS = [(150.0, 146.0, 140.0), (132.0, 132.0, 134.0), (160.0, 148.0, 128.0), (122.0, 130.0, 116.0)]
