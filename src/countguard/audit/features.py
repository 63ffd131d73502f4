"""What the audit compares: each picture as whitened bands of light and colour, on one canvas for the whole set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from countguard.audit.local_means import binomial_mean, box_mean

Floats: TypeAlias = NDArray[np.float32]
Family: TypeAlias = Literal[
    "fine light", "fine colour", "coarse light", "coarse colour", "smooth light", "smooth colour"
]

EVERY_OCTAVE: tuple[Family, ...] = ("fine light", "fine colour", "coarse light", "coarse colour")
"""Families that share all octaves among them."""
SMOOTH: tuple[Family, ...] = ("smooth light", "smooth colour")
FAMILIES: tuple[Family, ...] = (*EVERY_OCTAVE, *SMOOTH)
"""Bands that are compared together. A faint picture shows in some of them: a drawing in the fine ones.

A picture without edges shows in the coarsest octaves, which the smooth families take once more, each place of them
weighed by how flat it is near by, so that they tell two to four times as much of such a picture as the coarse ones.
"""
_TILE = 64
"""Largest side of a tile, pixels of the canvas."""
_TILES = 48
"""About as many tiles on a canvas: enough to tell what is everywhere from what is in one place."""
_SMALLEST = 2
"""Side of a tile in the coarsest band, values."""
_LEAST = 16
"""Side of a tile at least, pixels of the canvas: a smaller one has no coarse colour. Small pictures have fewer."""
FLOOR = {"y": 1.0, "u": 0.7, "v": 0.7}
"""Grey levels of a finest band that count as flat. Rounding and a camera's noise leave about as much."""
_SMOOTH_TILES = {"y": (4, 8), "u": (4, 8, 16), "v": (4, 8, 16)}
"""Sides of a tile in the bands of the smooth families, values."""
_NEAR, _NEARER = 9, 5
"""Values a side over which an octave's variance is taken, and a smooth family's."""
_SMOOTH_FLOOR = {"y": 1.0, "u": 0.3, "v": 0.3}
"""Grey levels of a smooth family's band that count as flat: a mean over many pixels has little noise."""
_SUMMED = 257
"""Grey levels whose sum fits 16 bits."""
_CLIP = 3.0
"""Local deviations at which a value is cut off: one strong edge is no proof."""


@dataclass(frozen=True, slots=True)
class Band:
    """One octave of one channel.

    Attributes:
        channel: y is light, u and v are blue and red less light.
        level: 0 is the finest.
        height, width: values.
        tile: side of a tile, values.
        family: the bands that are compared together.
    """

    channel: Literal["y", "u", "v"]
    level: int
    height: int
    width: int
    tile: int
    family: Family

    @property
    def size(self) -> int:
        """How many values it has."""
        return self.height * self.width

    @property
    def smooth(self) -> bool:
        """Whether it is of a smooth family."""
        return self.family in SMOOTH


@dataclass(frozen=True)
class Canvas:
    """The size to which every picture of a set is brought, and how its features lie in memory.

    Features are ordered by family, tile and band. The tiles fall into two halves, the black and the white squares of a
    chessboard: what is found on one can be tested on the other.

    Attributes:
        rows, columns: of tiles.
        side: of a tile, pixels; a power of two.
    """

    rows: int
    columns: int
    side: int

    @property
    def height(self) -> int:
        """Pixels."""
        return self.rows * self.side

    @property
    def width(self) -> int:
        """Pixels."""
        return self.columns * self.side

    @property
    def tiles(self) -> int:
        """How many."""
        return self.rows * self.columns

    @cached_property
    def halves(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The tiles of each half, ascending; tile = row * columns + column."""
        row, column = np.divmod(np.arange(self.tiles), self.columns)
        return np.flatnonzero((row + column) % 2 == 0), np.flatnonzero((row + column) % 2 == 1)

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """Every octave once, in the order of their families."""
        found = []
        for channel, first in (("y", self.side), ("u", self.side // 2), ("v", self.side // 2)):
            tile, level = first, 0
            while tile >= _SMALLEST:
                fineness, kind = "fine" if level < 2 else "coarse", "light" if channel == "y" else "colour"
                family: Family = f"{fineness} {kind}"  # type: ignore[assignment]
                found.append(Band(channel, level, self.rows * tile, self.columns * tile, tile, family))  # type: ignore[arg-type]
                tile, level = tile // 2, level + 1
        return tuple(sorted(found, key=lambda band: FAMILIES.index(band.family)))

    @cached_property
    def compared(self) -> tuple[Band, ...]:
        """Every octave, then the coarsest ones again as the smooth families take them."""
        again = [
            replace(band, family="smooth light" if band.channel == "y" else "smooth colour")
            for band in self.bands
            if band.tile in _SMOOTH_TILES[band.channel]
        ]
        return (*self.bands, *sorted(again, key=lambda band: FAMILIES.index(band.family)))

    @cached_property
    def spans(self) -> dict[Family, list[slice]]:
        """Where the features of each family and tile lie."""
        spans: dict[Family, list[slice]] = {}
        start = 0
        for family in FAMILIES:
            length = sum(band.tile**2 for band in self.compared if band.family == family)
            spans[family] = [slice(start + tile * length, start + (tile + 1) * length) for tile in range(self.tiles)]
            start += self.tiles * length
        return spans

    @cached_property
    def size(self) -> int:
        """Features of a picture."""
        return sum(band.size for band in self.compared)


def canvas_for(sizes: list[tuple[int, int]]) -> Canvas:
    """The canvas of a set of pictures, by the median of their areas and shapes.

    Args:
        sizes: height and width of each picture, pixels.
    """
    heights, widths = np.array(sizes, dtype=float).T
    aspect = float(np.exp(np.median(np.log(widths / heights))))
    area = float(np.median(heights * widths))
    rows = max(2, round((min(_TILES, area / _LEAST**2) / aspect) ** 0.5))
    columns = max(2, round(rows * aspect))
    room = float(np.sqrt(area / (rows * columns)))
    side = _TILE
    while side > _LEAST and side > room:
        side //= 2
    return Canvas(rows, columns, side)


def on_canvas(image: Tensor, canvas: Canvas) -> dict[str, Floats]:
    """Light at the canvas's size, colour at half of it, in grey levels.

    Args:
        image: uint8 [3, H, W].
        canvas: of the set.
    """
    red, green, blue = _sized(image, canvas.height, canvas.width)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    return {"y": light, "u": _halved(0.564 * (blue - light)), "v": _halved(0.713 * (red - light))}


def pyramid(channels: Floats, levels: int) -> tuple[list[Floats], Floats]:
    """Octaves of channels [..., height, width], from the finest, and the rest; each is what a small blur takes away."""
    octaves = []
    for _ in range(levels):
        blurred = binomial_mean(channels)
        octaves.append(channels - blurred)
        channels = _halved(blurred)
    return octaves, channels


def raw_bands(image: Tensor, canvas: Canvas) -> list[Floats]:
    """The octaves of a picture in grey levels, in the order of the canvas's bands."""
    return bands_of(on_canvas(image, canvas), canvas)


def bands_of(channels: dict[str, Floats], canvas: Canvas) -> list[Floats]:
    """The same of channels that are on the canvas already, see `on_canvas`."""
    levels = 1 + max(band.level for band in canvas.bands if band.channel == "u")
    (finest,), rest = pyramid(channels["y"], 1)
    # without its finest octave, light is as large as colour, and one call serves all three
    together, _ = pyramid(np.stack([rest, channels["u"], channels["v"]]), levels)
    octaves = {("y", 0): finest}
    for level, (light, blue, red) in enumerate(together):
        octaves |= {("y", level + 1): light, ("u", level): blue, ("v", level): red}
    return [octaves[band.channel, band.level] for band in canvas.bands]


def whitened(octaves: Sequence[Floats], bands: Sequence[Band]) -> Floats:
    """Octaves divided by their local variance, cut off, at a stated length: float32 [bands, height, width].

    A faint picture adds the same grey levels everywhere, so that a place tells the more of it the flatter it is: in the
    likelihood of two pictures to share it, each value is divided by its variance, not by its deviation. The length
    makes the inner products of unlike pictures about as large in each band.

    Args:
        octaves: of one size.
        bands: of each of them; all are of smooth families, or none is.
    """
    smooth = bands[0].smooth
    floors = [
        _SMOOTH_FLOOR[band.channel] if smooth else FLOOR[band.channel] / 2 ** (0.5 * band.level) for band in bands
    ]
    stack = np.stack(octaves)
    least = np.array(floors, np.float32)[:, None, None]
    deviation = box_mean(stack * stack, _NEARER if smooth else _NEAR)
    deviation += least * least
    np.sqrt(deviation, out=deviation)
    stack /= deviation
    np.clip(stack, -_CLIP, _CLIP, out=stack)
    stack /= deviation
    for of_band, band in zip(stack, bands, strict=True):
        of_band *= band.size**0.25 / max(float(np.linalg.norm(of_band)), 1e-12)
    return stack


def ordered(octaves: list[Floats], canvas: Canvas) -> Floats:
    """What `compared` lists, to one row of features in the canvas's order."""
    tiled = [(band.family, _in_tiles(octave, band)) for octave, band in zip(octaves, canvas.compared, strict=True)]
    none = np.zeros((canvas.tiles, 0), np.float32)  # small pictures have no coarse colours
    families = [np.concatenate([none, *(tiles for of, tiles in tiled if of == family)], axis=1) for family in FAMILIES]
    return np.concatenate([tiles.ravel() for tiles in families])


def octave_of(part: Callable[[Family, slice], Floats], canvas: Canvas, band: Band) -> Floats:
    """One band out of rows of features: [rows, band.height, band.width].

    Args:
        part: gives a span of the features of a family: [rows, values].
        canvas: of the set.
        band: one that is compared.
    """
    family = [other for other in canvas.compared if other.family == band.family]
    start = sum(other.tile**2 for other in family[: family.index(band)])
    spans = (slice(span.start + start, span.start + start + band.tile**2) for span in canvas.spans[band.family])
    tiles = np.stack([part(band.family, span) for span in spans], axis=1)
    grid = tiles.reshape(len(tiles), canvas.rows, canvas.columns, band.tile, band.tile)
    return grid.swapaxes(2, 3).reshape(len(tiles), band.height, band.width)


def features_of(octaves: list[Floats], canvas: Canvas) -> Floats:
    """All features of a picture: float32 [canvas.size].

    Args:
        octaves: as `raw_bands` gives them.
        canvas: of the set.
    """
    by_octave = {(band.channel, band.level): octave for octave, band in zip(octaves, canvas.bands, strict=True)}
    # few calls on many values: threads that read pictures wait for each other between calls
    found: dict[Band, Floats] = {}
    for kind in dict.fromkeys((band.tile, band.smooth) for band in canvas.compared):
        bands = [band for band in canvas.compared if (band.tile, band.smooth) == kind]
        values = whitened([by_octave[band.channel, band.level] for band in bands], bands)
        found |= zip(bands, values, strict=True)
    return ordered([found[band] for band in canvas.compared], canvas)


def _in_tiles(octave: Floats, band: Band) -> Floats:
    """[tiles, values of a tile]."""
    rows, columns = octave.shape[0] // band.tile, octave.shape[1] // band.tile
    tiles = octave.reshape(rows, band.tile, columns, band.tile).swapaxes(1, 2)
    return tiles.reshape(rows * columns, band.tile**2)


def _sized(image: Tensor, height: int, width: int) -> Floats:
    """The mean over the area that becomes a pixel; whole numbers of pixels are summed as such, four times as fast."""
    down, down_rest = divmod(image.shape[1], height)
    across, across_rest = divmod(image.shape[2], width)
    if down_rest or across_rest or not 0 < down * across <= _SUMMED:
        return functional.interpolate(image[None].float(), (height, width), mode="area")[0].numpy()
    pixels = image.numpy()
    rows = pixels[:, ::down].astype(np.uint16)
    for place in range(1, down):
        rows += pixels[:, place::down]
    sums = rows[:, :, ::across].copy()
    for place in range(1, across):
        sums += rows[:, :, place::across]
    return np.divide(sums, down * across, dtype=np.float32)


def _halved(channels: Floats) -> Floats:
    rows = channels[..., ::2, :] + channels[..., 1::2, :]
    halved: Floats = rows[..., ::2] + rows[..., 1::2]
    halved *= 0.25
    return halved
