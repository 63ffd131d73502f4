"""Evidence: single pictures that are not made as the others: with weather drawn in, bent, or saved in another way."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
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
    green = image[1].numpy().astype(np.float32)
    across, down = np.abs(np.diff(green, axis=1)), np.abs(np.diff(green, axis=0))
    fine = green - ndimage.uniform_filter(green, 3, mode="nearest")
    coarse = ndimage.uniform_filter(green, 3, mode="nearest") - ndimage.uniform_filter(green, 7, mode="nearest")
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


def _on_blocks(steps: Floats, axis: int) -> float:
    """Mean step over the edges of JPEG's blocks, as a part of the mean step elsewhere."""
    profile = steps.mean(axis=1 - axis)
    edges = np.arange(len(profile)) % _BLOCK == _BLOCK - 1
    return (float(profile[edges].mean()) + 0.05) / (float(profile[~edges].mean()) + 0.05)
