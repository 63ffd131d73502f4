"""The picture that a group of images shares, drawn from them alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from countguard.audit.features import FLOOR, Band, Canvas, Floats, raw_bands

_WINDOW = 7
"""Values a side over which an octave's strength is set against its noise."""
_OUTER = 0.2
"""Percent of the values at either end that the strength leaves out."""


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """A shared picture.

    Attributes:
        picture: uint8 [3, height, width], stretched to the full range of grey levels.
        strength: its range as a share of all grey levels: what was mixed in, if the picture used them all.
    """

    picture: Tensor
    strength: float


class Stack:
    """The weighted mean of many pictures' octaves: each place of each picture weighs by how flat it is there."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._sums: list[Floats] = [np.zeros((band.height, band.width), np.float32) for band in canvas.bands]
        self._weights: list[Floats] = [np.full((band.height, band.width), 1e-9, np.float32) for band in canvas.bands]

    def add(self, octaves: list[Floats]) -> None:
        """Octaves as `raw_bands` gives them."""
        for octave, band, total, weights in zip(octaves, self._canvas.bands, self._sums, self._weights, strict=True):
            weight = 1 / (_local_mean(octave * octave, 9) + FLOOR[band.channel] ** 2)
            total += weight * octave
            weights += weight

    def octaves(self) -> tuple[list[Floats], list[Floats]]:
        """The mean, and the variance of its error."""
        means = [total / weights for total, weights in zip(self._sums, self._weights, strict=True)]
        return means, [1 / weights for weights in self._weights]


def recover(members: Iterable[Tensor], others: Iterable[Tensor], canvas: Canvas) -> Recovered:
    """What the members have and the others have not.

    Every octave is the members' weighted mean less the others', scaled down where it is no stronger than chance.

    Args:
        members: the group's images, uint8 [3, H, W].
        others: images of the same set outside of the group.
        canvas: of the set.
    """
    stacks = Stack(canvas), Stack(canvas)
    for stack, images in zip(stacks, (members, others), strict=True):
        for image in images:
            stack.add(raw_bands(image, canvas))
    (ours, our_error), (theirs, their_error) = (stack.octaves() for stack in stacks)
    octaves = []
    for one, one_error, other, other_error in zip(ours, our_error, theirs, their_error, strict=True):
        difference = one - other
        noise = _local_mean(one_error + other_error, _WINDOW)
        power = _local_mean(difference * difference, _WINDOW)
        octaves.append(difference * np.clip(1 - noise / np.maximum(power, 1e-9), 0, 1))
    return _drawn(octaves, canvas)


def _drawn(octaves: list[Floats], canvas: Canvas) -> Recovered:
    channels = {name: _composed(octaves, canvas, name) for name in ("y", "u", "v")}
    light, blue, red = channels["y"], _doubled(channels["u"]) / 0.564, _doubled(channels["v"]) / 0.713
    rgb = np.stack([light + red, light - (0.299 * red + 0.114 * blue) / 0.587, light + blue])
    low, high = np.percentile(light, [_OUTER, 100 - _OUTER])
    strength = float(high - low) / 255
    low, high = np.percentile(rgb, [_OUTER, 100 - _OUTER])
    levels = np.clip(255 * (rgb - low) / max(high - low, 1e-6), 0, 255).round().astype(np.uint8)
    return Recovered(torch.from_numpy(levels), strength)


def _composed(octaves: list[Floats], canvas: Canvas, channel: str) -> Floats:
    """A channel out of its octaves, from the coarsest."""
    chosen: list[tuple[Band, Floats]] = [
        (band, octave) for band, octave in zip(canvas.bands, octaves, strict=True) if band.channel == channel
    ]
    composed: Floats | None = None
    for _, octave in sorted(chosen, key=lambda pair: -pair[0].level):
        composed = octave if composed is None else octave + _doubled(composed)
    assert composed is not None
    return composed


def _doubled(channel: Floats) -> Floats:
    doubled: Floats = ndimage.zoom(channel, 2, order=1, mode="nearest", grid_mode=True)
    return doubled


def _local_mean(values: Floats, side: int) -> Floats:
    mean: Floats = np.maximum(ndimage.uniform_filter(values, min(side, *values.shape), mode="nearest"), 0)
    return mean
