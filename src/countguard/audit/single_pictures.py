"""Evidence: single pictures that are not made as the others: with weather drawn in, bent, or saved in another way."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from countguard.audit.features import Floats

STATISTICS = (
    "noise",
    "sharpness",
    "bright streaks",
    "dark streaks",
    "upright to level edges",
    "block edges",
    "darkest",
    "brightest",
)
"""What is measured of each picture by itself, at its own size."""
LEAST_SPREAD = np.array([0.3, 0.1, 0.3, 0.3, 0.1, 0.1, 3.0, 3.0])
"""What each may differ by from picture to picture without a word, where a set's pictures are more alike than that."""
_STREAK = 20.0
"""Grey levels by which a pixel of a streak is brighter than both sides."""
_BLOCK = 8
"""Side of the blocks in which JPEG saves pictures, pixels."""


def statistics_of(image: Tensor) -> NDArray[np.float64]:
    """The numbers named by `STATISTICS`, as logarithms where they are sizes.

    Args:
        image: uint8 [3, H, W]; its green channel is looked at.
    """
    green = image[1].numpy().astype(np.int16)
    across, down = np.abs(np.diff(green, axis=1)), np.abs(np.diff(green, axis=0))
    near, around = means_of_3_and_7(image[1].numpy())
    fine, coarse = green - near, near - around
    sides = np.maximum(green[:, :-4], green[:, 4:]), np.minimum(green[:, :-4], green[:, 4:])
    middle = green[:, 2:-2]
    dark, bright = np.percentile(green[::4, ::4], [0.5, 99.5])
    values = [
        np.log(float(np.quantile(np.abs(fine[::2, ::2]), 0.3)) + 0.1),
        np.log((float(np.abs(fine).mean()) + 0.1) / (float(np.abs(coarse).mean()) + 0.1)),
        np.log(float((middle > sides[0] + _STREAK).mean()) + 1e-4),
        np.log(float((middle < sides[1] - _STREAK).mean()) + 1e-4),
        np.log((float(across.mean()) + 0.1) / (float(down.mean()) + 0.1)),
        np.log(_on_blocks(across, 1) + _on_blocks(down, 0)),
        float(dark),
        float(bright),
    ]
    return np.array(values, dtype=float)


def means_of_3_and_7(pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """The mean around each pixel over squares of 3 and of 7 pixels a side; beyond the edge lies the edge.

    Sums of 49 pixels fit 16 bits, and are exact. The same by `ndimage.uniform_filter` took two fifths of all reading.
    """
    threes = sevens = np.pad(pixels, 3, mode="edge").astype(np.int16)
    for axis in (0, 1):
        threes, sevens = _sums(threes, axis)[0], _sums(sevens, axis)[1]
    near: Floats = np.divide(threes[2:-2, 2:-2], 9, dtype=np.float32)
    around: Floats = np.divide(sevens, 49, dtype=np.float32)
    return near, around


def _sums(values: NDArray[np.int16], axis: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Sums of 3 and of 7 neighbours along an axis, which is shorter by 2 and by 6."""
    along = np.moveaxis(values, axis, 0)
    of_3 = along[:-2] + along[1:-1] + along[2:]
    of_7 = of_3[:-4] + along[3:-3] + of_3[4:]
    return np.moveaxis(of_3, 0, axis), np.moveaxis(of_7, 0, axis)


def _on_blocks(steps: Floats, axis: int) -> float:
    """Mean step over the edges of JPEG's blocks, as a part of the mean step elsewhere."""
    profile = steps.mean(axis=1 - axis)
    edges = np.arange(len(profile)) % _BLOCK == _BLOCK - 1
    return (float(profile[edges].mean()) + 0.05) / (float(profile[~edges].mean()) + 0.05)
