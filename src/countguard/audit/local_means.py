"""Means over the neighbourhood of each value; beyond the edge lies the edge.

Sums of shifted copies: `ndimage`'s filters go through an array value by value, and took half of the time of an audit.
"""

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]


def box_mean(values: _Floats, side: int) -> _Floats:
    """The mean over squares of `side` values a side, an odd number: float32 [..., height, width], as `values`."""
    sums = _padded(values, side // 2)
    for axis in (-2, -1):
        sums = _sums(sums, side, axis)
    sums /= side * side
    return sums


def binomial_mean(values: _Floats) -> _Floats:
    """The mean over squares of 5 values a side, weighed by the binomial numbers 1, 4, 6, 4, 1 both ways."""
    sums = _padded(values, 2)
    for axis in (-2, -1):
        along = np.moveaxis(sums, axis, 0)
        inner = along[1:-3] + along[3:-1]
        inner *= 4
        inner += along[:-4]
        inner += along[4:]
        inner += along[2:-2] * np.float32(6)
        sums = np.moveaxis(inner, 0, axis)
    sums /= 256
    return sums


def _padded(values: _Floats, by: int) -> _Floats:
    return np.pad(values, [(0, 0)] * (values.ndim - 2) + [(by, by)] * 2, mode="edge")


def _sums(values: _Floats, side: int, axis: int) -> _Floats:
    """Sums of `side` neighbours along an axis, which is shorter by `side` less 1: by doubling, so that adds are few."""
    along = np.moveaxis(values, axis, 0)
    length = len(along) - side + 1
    total: _Floats | None = None
    start, width, doubled = 0, 1, along
    while width <= side:
        if side & width:
            part = doubled[start : start + length]
            if total is None:
                total = part.copy()
            else:
                total += part
            start += width
        doubled, width = doubled[:-width] + doubled[width:], 2 * width
    assert total is not None
    return np.moveaxis(total, 0, axis)
