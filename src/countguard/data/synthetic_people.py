"""The people of a synthetic crowd: where their heads are, and how they are painted."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from countguard.data.synthetic_scene import Floats, Light, Look
from countguard.data.synthetic_scenery import Colour


def place_heads(generator: np.random.Generator, count: int, width: float, look: Look) -> Floats:
    """Heads [count, 3]: x, y and diameter in picture heights, from the farthest to the nearest.

    Places are a jittered grid whose pitch shrinks with distance, so that no head hides another one; a random
    density of groups and strollers says which of them are taken. Where `count` needs more places than there are,
    everybody gets smaller.

    Args:
        width: of the picture, in picture heights.
    """
    top = generator.uniform(*look.top)
    near = generator.uniform(*look.near)
    places = _places(top, near, width, look)
    while len(places) < 1.1 * count:
        near *= 0.95
        places = _places(top, near, width, look)
    pitch = places[:, 2:] * np.array(look.spacing)
    places[:, :2] += pitch * generator.uniform(-1, 1, (len(places), 2)) * (0.28, 0.16)
    margin = 0.55 * places[:, 2]
    places[:, 0] = np.clip(places[:, 0], margin, width - margin)
    places[:, 1] = np.clip(places[:, 1], margin, 1 - margin)
    chosen = np.argsort(_popularity(generator, places, width, look), kind="stable")[len(places) - count :]
    heads = places[chosen]
    return heads[np.argsort(heads[:, 1], kind="stable")]


def paint_people(generator: np.random.Generator, canvas: Image.Image, heads: Floats, look: Look, light: Light) -> None:
    """Paint whole people under their heads, from back to front, so that the near ones hide the far ones."""
    count = len(heads)
    near = heads[:, 2:].max(initial=1e-9)
    fade = 0.35 * (1 - heads[:, 2:] / near)

    def tint(colours: Floats, spread: float, factor: float = 1.0) -> list[Colour]:
        seen = colours * factor + generator.uniform(-spread, spread, (count, 1))
        seen += fade * (light.haze - seen)
        return [(red, green, blue) for red, green, blue in np.clip(seen, 0, 255).astype(int).tolist()]

    sides = _CLOTHES[generator.integers(len(_CLOTHES), size=2)]
    clothes = _CLOTHES[generator.integers(len(_CLOTHES), size=count)]
    fans = generator.random(count) < look.uniform
    clothes[fans] = sides[(generator.random(count) < 0.15).astype(int)][fans]
    skin = _SKIN[generator.integers(len(_SKIN), size=count)]
    hair = _HAIR[generator.integers(len(_HAIR), size=count)]
    shade = generator.uniform(-18, 18, (count, 1))
    lit, dark = tint(clothes + shade, 0), tint(clothes + shade, 0, 0.66)
    trousers = tint(_TROUSERS[generator.integers(len(_TROUSERS), size=count)], 12)
    faces, throats, crowns = tint(skin, 8), tint(skin, 0, 0.5), tint(hair, 8)
    turn = generator.uniform(-0.14, 0.14, count).tolist()
    facing = (generator.random(count) < 0.7).tolist()
    arms_up = (generator.random(count) < look.cheering).tolist()
    build = generator.uniform(0.9, 1.12, count).tolist()

    draw = ImageDraw.Draw(canvas)
    for person, (x, y, size) in enumerate((heads * canvas.height).tolist()):
        shoulder = 1.02 * size * build[person]
        hip, waist, feet = 0.72 * shoulder, y + 2.8 * size, y + 5.3 * size
        draw.rectangle([x - hip, waist - size * 0.3, x - 0.1 * size, feet], fill=trousers[person])
        draw.rectangle([x + 0.1 * size, waist - size * 0.3, x + hip, feet], fill=trousers[person])
        body = lit[person]
        draw.ellipse([x - shoulder, y + 0.5 * size, x + shoulder, y + 1.7 * size], fill=body)
        draw.polygon(
            [(x - shoulder, y + 1.1 * size), (x + shoulder, y + 1.1 * size), (x + hip, waist), (x - hip, waist)],
            fill=body,
        )
        edge = -shoulder if light.side > 0 else shoulder
        draw.polygon(
            [
                (x + edge, y + 1.1 * size),
                (x + 0.45 * edge, y + 0.9 * size),
                (x + 0.4 * edge, waist),
                (x + 0.72 * edge, waist),
            ],
            fill=dark[person],
        )
        if arms_up[person]:
            for reach in (-1.0, 1.0):
                draw.line(
                    [(x + reach * shoulder * 0.9, y + size), (x + reach * 1.15 * size, y - 0.9 * size)],
                    fill=faces[person],
                    width=max(1, round(0.32 * size)),
                )
        draw.ellipse([x - 0.5 * size, y - 0.3 * size, x + 0.5 * size, y + 0.82 * size], fill=throats[person])
        draw.ellipse([x - 0.46 * size, y - 0.58 * size, x + 0.46 * size, y + 0.56 * size], fill=crowns[person])
        if facing[person]:
            nose = x + turn[person] * size
            draw.ellipse([nose - 0.35 * size, y - 0.28 * size, nose + 0.35 * size, y + 0.56 * size], fill=faces[person])


def _places(top: float, near: float, width: float, look: Look) -> Floats:
    """Every place at which a head can be, [places, 3]: rows from far to near, each in the gaps of the one behind."""
    across, deep = look.spacing
    rows: list[Floats] = []
    y = top
    while True:
        size = near * (look.far + (1 - look.far) * (y - top) / (1 - top))
        if y > 1 - 0.55 * size:
            return np.concatenate(rows)
        pitch = across * size
        start = pitch * (0.5 if len(rows) % 2 else 1.0) * 0.7
        x = np.arange(start, width - 0.4 * size, pitch)
        rows.append(np.stack([x, np.full_like(x, y), np.full_like(x, size)], axis=1))
        y += deep * size


def _popularity(generator: np.random.Generator, places: Floats, width: float, look: Look) -> Floats:
    """Random keys [places]; the places with the largest are a draw without replacement from the crowd's density."""
    groups = int(generator.integers(look.clusters, endpoint=True))
    density: NDArray[np.float64] = np.full(len(places), look.scattered)
    for _ in range(groups):
        centre = generator.uniform((0, places[0, 1]), (width, 1))
        spread = generator.uniform(1.5, 5.0) * places[:, 2]
        offset = (places[:, :2] - centre) / (spread[:, None] * (1.6, 0.8))
        density += np.exp(-0.5 * (offset**2).sum(axis=1))
    return np.log(density) + generator.gumbel(size=len(places))


_CLOTHES = np.array(
    [(78, 86, 104), (60, 70, 110), (196, 198, 200), (170, 50, 56), (52, 84, 150), (80, 128, 84),
     (206, 176, 60), (60, 130, 130), (130, 78, 140), (104, 150, 190), (190, 90, 130), (126, 130, 136)],
    dtype=np.float64,
)  # fmt: skip
_TROUSERS = np.array([(48, 54, 72), (38, 38, 42), (96, 90, 80), (70, 84, 110), (122, 112, 98)], dtype=np.float64)
_SKIN = np.array([(238, 202, 176), (224, 182, 150), (200, 152, 116), (160, 112, 82), (112, 76, 56)], dtype=np.float64)
_HAIR = np.array(
    [(34, 28, 26), (54, 38, 30), (70, 48, 32), (100, 74, 44), (44, 40, 40), (24, 24, 28)], dtype=np.float64
)
