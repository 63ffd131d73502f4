"""Evidence: single pictures that are not made as the others: with weather drawn in, bent, or saved in another way."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Whole: TypeAlias = NDArray[np.int16]
"""Sums of 49 pixels, and nine times a pixel, fit 16 bits, and are exact."""

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
_STREAK = 20
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
    of_9, of_49 = sums_of_9_and_49(image[1].numpy())
    fine = np.abs(9 * green - of_9)  # nine times what the mean of 3 x 3 leaves of a pixel
    coarse = np.abs(np.divide(of_9, 9, dtype=np.float32) - np.divide(of_49, 49, dtype=np.float32))
    middle = green[:, 2:-2]
    brighter = middle - np.maximum(green[:, :-4], green[:, 4:])
    darker = np.minimum(green[:, :-4], green[:, 4:]) - middle
    dark, bright = np.percentile(green[::4, ::4], [0.5, 99.5])
    values = [
        np.log(_quantile(fine[::2, ::2], 0.3) / 9 + 0.1),
        np.log((_mean(fine) / 9 + 0.1) / (float(coarse.mean()) + 0.1)),
        np.log(np.count_nonzero(brighter > _STREAK) / middle.size + 1e-4),
        np.log(np.count_nonzero(darker > _STREAK) / middle.size + 1e-4),
        np.log((_mean(across) + 0.1) / (_mean(down) + 0.1)),
        np.log(_on_blocks(across, 1) + _on_blocks(down, 0)),
        float(dark),
        float(bright),
    ]
    return np.array(values, dtype=float)


def sums_of_9_and_49(pixels: NDArray[np.uint8]) -> tuple[Whole, Whole]:
    """The sum around each pixel over squares of 3 and of 7 pixels a side; beyond the edge lies the edge."""
    padded = np.pad(pixels, 3, mode="edge").astype(np.int16)
    threes = _threes(padded)
    sevens = _sevens(padded, threes).T
    nines = _threes(threes[2:-2].T)
    return nines[2:-2].T, _sevens(sevens, _threes(sevens)).T


def _threes(values: Whole) -> Whole:
    """Sums of 3 rows, two fewer."""
    sums = values[:-2] + values[1:-1]
    sums += values[2:]
    return sums


def _sevens(values: Whole, threes: Whole) -> Whole:
    """Sums of 7 rows, six fewer, by those of 3."""
    sums = threes[:-4] + values[3:-3]
    sums += threes[4:]
    return sums


def _mean(values: Whole) -> float:
    return int(values.sum(dtype=np.int64)) / values.size


def _quantile(values: Whole, share: float) -> float:
    """The quantile of numbers from 0 on, as `np.quantile` defines it: by counting, since they are few."""
    up_to = np.cumsum(np.bincount(values.ravel()))
    place, part = divmod(share * (values.size - 1), 1)
    low, high = np.searchsorted(up_to, [place, min(place + 1, values.size - 1)], side="right")
    return float(low + part * (high - low))


def _on_blocks(steps: Whole, axis: int) -> float:
    """Mean step over the edges of JPEG's blocks, as a part of the mean step elsewhere."""
    profile = steps.mean(axis=1 - axis)
    edges = np.arange(len(profile)) % _BLOCK == _BLOCK - 1
    return (float(profile[edges].mean()) + 0.05) / (float(profile[~edges].mean()) + 0.05)
