"""The picture that a group of images shares, drawn from them alone, and where it covers what is behind it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from countguard.audit.features import FLOOR, Band, Canvas, Floats
from countguard.audit.local_means import box_mean

_WINDOW = 7
"""Values a side over which an octave's strength is set against its noise."""
_OUTER = 0.2
"""Percent of the values at either end that the strength leaves out."""
_OPAQUE = 0.5
"""Part of the members' own contrast from which on what they share covers what is behind it."""
_AS_STRONG = 0.3
"""Of the contrast that other images have in a place; what is fainter than this covers nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """A shared picture.

    Attributes:
        picture: uint8 [3, height, width] of the canvas, stretched to the full range of grey levels.
        strength: its range as a fraction of all grey levels: what was mixed in, if the picture used them all.
        opaque: for each tile whether it covers what is behind it there, as a scene, a frame or a logo does.
    """

    picture: Tensor
    strength: float
    opaque: NDArray[np.bool_]


class Stack:
    """Sums over many pictures' octaves: each place of each picture weighs by how flat it is there."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._sums: list[Floats] = [np.zeros((band.height, band.width), np.float32) for band in canvas.bands]
        self._weights: list[Floats] = [np.full((band.height, band.width), 1e-9, np.float32) for band in canvas.bands]
        self._plain = [np.zeros_like(total) for total in self._sums]
        self._energy = np.zeros(canvas.tiles)
        self._number = 0

    def add(self, octaves: list[Floats]) -> None:
        """Octaves as `raw_bands` gives them."""
        self._number += 1
        for place, (octave, band) in enumerate(zip(octaves, self._canvas.bands, strict=True)):
            weight = 1 / (box_mean(octave * octave, 9) + FLOOR[band.channel] ** 2)
            self._sums[place] += weight * octave
            self._weights[place] += weight
            if _tells_cover(band):
                self._plain[place] += octave
                self._energy += self._by_tile(octave * octave, band)

    def means(self) -> tuple[list[Floats], list[Floats]]:
        """The weighted mean of each octave, and the variance of its error."""
        sums = zip(self._sums, self._weights, strict=True)
        means = [np.asarray(total / weights, dtype=np.float32) for total, weights in sums]
        return means, [np.asarray(1 / weights, dtype=np.float32) for weights in self._weights]

    def contrast(self) -> NDArray[np.float64]:
        """Mean energy of a picture in each tile, each octave by its mean over the tile's values."""
        return self._energy / max(self._number, 1)

    def shared(self) -> NDArray[np.float64]:
        """Mean inner product of two different pictures in each tile."""
        pairs = self._number * (self._number - 1)
        of_sums = sum(
            self._by_tile(total * total, band)
            for total, band in zip(self._plain, self._canvas.bands, strict=True)
            if _tells_cover(band)
        )
        return (np.asarray(of_sums) - self._energy) / max(pairs, 1)

    def _by_tile(self, values: Floats, band: Band) -> NDArray[np.float64]:
        grid = values.reshape(self._canvas.rows, band.tile, self._canvas.columns, band.tile)
        means: NDArray[np.float64] = grid.mean(axis=(1, 3), dtype=np.float64).ravel()
        return means


def recover(members: Iterable[list[Floats]], others: Iterable[list[Floats]], canvas: Canvas) -> Recovered:
    """What the members have and the others have not.

    Every octave is the members' weighted mean less the others', scaled down where it is no stronger than chance.

    Args:
        members: octaves of the group's images, as `raw_bands` gives them.
        others: the same of images of the set outside of the group.
        canvas: of the set.
    """
    ours, theirs = Stack(canvas), Stack(canvas)
    for stack, images in ((ours, members), (theirs, others)):
        for octaves in images:
            stack.add(octaves)
    octaves = []
    for one, one_error, other, other_error in zip(*ours.means(), *theirs.means(), strict=True):
        difference = one - other
        noise = box_mean(one_error + other_error, _WINDOW)
        power = box_mean(difference * difference, _WINDOW)
        octaves.append(difference * np.clip(1 - noise / np.maximum(power, 1e-9), 0, 1))
    picture, strength = _drawn(octaves, canvas)
    shared = ours.shared()
    strong = shared >= _AS_STRONG * theirs.contrast()
    return Recovered(picture, strength, strong & (shared >= _OPAQUE * ours.contrast()))


def _tells_cover(band: Band) -> bool:
    """A picture hides fine octaves of what is behind it sooner than coarse ones; what covers hides them all."""
    return band.channel == "y"


def _drawn(octaves: list[Floats], canvas: Canvas) -> tuple[Tensor, float]:
    channels = {name: _composed(octaves, canvas, name) for name in ("y", "u", "v")}
    light, blue, red = channels["y"], _doubled(channels["u"]) / 0.564, _doubled(channels["v"]) / 0.713
    rgb = np.stack([light + red, light - (0.299 * red + 0.114 * blue) / 0.587, light + blue])
    low, high = np.percentile(light, [_OUTER, 100 - _OUTER])
    strength = float(high - low) / 255
    low, high = np.percentile(rgb, [_OUTER, 100 - _OUTER])
    levels = np.clip(255 * (rgb - low) / max(high - low, 1e-6), 0, 255).round().astype(np.uint8)
    return torch.from_numpy(levels), strength


def _composed(octaves: list[Floats], canvas: Canvas, channel: str) -> Floats:
    """A channel out of its octaves, from the coarsest."""
    chosen = [(band, octave) for band, octave in zip(canvas.bands, octaves, strict=True) if band.channel == channel]
    composed: Floats | None = None
    for _, octave in sorted(chosen, key=lambda pair: -pair[0].level):
        composed = octave if composed is None else octave + _doubled(composed)
    assert composed is not None
    return composed


def _doubled(channel: Floats) -> Floats:
    doubled: Floats = ndimage.zoom(channel, 2, order=1, mode="nearest", grid_mode=True)
    return doubled


def moved_back(octaves: list[Floats], canvas: Canvas, shift: tuple[float, float], mirrored: bool) -> list[Floats]:
    """Octaves of an image moved by a shift, and seen in a mirror, so that what it shares lies where it lies in others.

    What leaves the frame comes back on the other side, where it is one image's alone.

    Args:
        octaves: as `raw_bands` gives them.
        canvas: of the set.
        shift: down and right, shares of the frame's sides, by which the shared thing is displaced.
        mirrored: whether it is seen in a mirror, left to right.
    """
    moved = []
    for octave, band in zip(octaves, canvas.bands, strict=True):
        down, right = round(shift[0] * band.height), round(shift[1] * band.width)
        back = np.roll(octave, (-down, -right), axis=(0, 1))
        moved.append(np.roll(back[:, ::-1], 1, axis=1) if mirrored else back)
    return moved
