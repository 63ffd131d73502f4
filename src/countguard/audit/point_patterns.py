"""Evidence: labels alone: copies at one offset, rows of equal coordinates, and one count too often."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from countguard.audit.features import Floats
from countguard.audit.laws import poisson_tail

_NEAR = 12.0
"""Pixels within which a head's copy is looked for."""
_BIN = 0.25
"""Pixels by which offsets are told apart."""
_FEWEST = 5
"""Copies, heads on one line or images of one count, below which nothing is said."""
_ALMOST = 1e-3
"""Pixels by which equal coordinates may differ: files keep so many digits."""
_AROUND = 1.5
"""Counts up to so many times more or less say how often a count is to be expected."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the labels of one image, or of several with one count, look like.

    Attributes:
        images: positions in the set.
        p: the chance of it, for all images or counts that were looked at.
        says: a sentence.
    """

    images: tuple[int, ...]
    p: float
    says: str


def point_patterns(points: Sequence[Floats], counts: NDArray[np.float64]) -> list[Pattern]:
    """All that stands out in the labels of a set.

    Args:
        points: heads of each image, [heads, 2].
        counts: heads in each label.
    """
    return [*_copies(points), *_lines(points), *_frequent_counts(counts)]


def copied_heads(points: Floats) -> tuple[int, tuple[float, float], int]:
    """Most pairs of heads with one offset, that offset, and all pairs within 12 pixels."""
    pairs = KDTree(points).query_pairs(_NEAR, output_type="ndarray") if len(points) else np.empty((0, 2), int)
    steps = points[pairs[:, 1]] - points[pairs[:, 0]]
    steps = np.where((steps[:, :1] < 0) | ((steps[:, :1] == 0) & (steps[:, 1:] < 0)), -steps, steps)
    steps = steps[np.abs(steps).max(axis=1, initial=0) > _BIN]
    if not len(steps):
        return 0, (0.0, 0.0), 0
    offsets, numbers = np.unique(np.rint(steps / _BIN), axis=0, return_counts=True)
    most = int(numbers.argmax())
    x, y = (offsets[most] * _BIN).tolist()
    return int(numbers[most]), (x, y), len(steps)


def _copies(points: Sequence[Floats]) -> list[Pattern]:
    measured = [copied_heads(heads) for heads in points]
    whole = all(np.allclose(heads, np.rint(heads), atol=_ALMOST) for heads in points)
    bins = np.pi * _NEAR**2 / 2 * (1 if whole else 1 / _BIN**2)
    found = []
    for image, (number, (x, y), pairs) in enumerate(measured):
        p = poisson_tail(number, pairs / bins) * bins * len(points)
        if number >= max(_FEWEST, len(points[image]) / 10) and p < 1:
            says = f"{number} of {len(points[image])} heads have another one at ({x:g}, {y:g}) pixels from them"
            found.append(Pattern((image,), p, says))
    return found


def _lines(points: Sequence[Floats]) -> list[Pattern]:
    """Heads with the same x, and heads with the same y, to more digits than anybody clicks."""
    numbers = np.array([_on_lines(heads) for heads in points], dtype=float)
    heads = np.array([max(len(one), 1) for one in points], dtype=float)
    usual = float(np.median(numbers / heads))
    found = []
    for image, number in enumerate(numbers.tolist()):
        expected = max(usual, 0.02) * heads[image]
        p = poisson_tail(number, expected) * len(points)
        if number >= 2 * _FEWEST and p < 1:
            says = (
                f"{number:g} of {heads[image]:g} heads lie on lines of equal x and of equal y, {expected:.1f} expected"
            )
            found.append(Pattern((image,), p, says))
    return found


def _on_lines(heads: Floats) -> int:
    """Heads that share their x with four others at least and their y as well."""
    shared = []
    for axis in (0, 1):
        rounded = np.rint(heads[:, axis] / _ALMOST)
        _, inverse, numbers = np.unique(rounded, return_inverse=True, return_counts=True)
        shared.append(numbers[inverse] >= _FEWEST)
    return int((shared[0] & shared[1]).sum())


def _frequent_counts(counts: NDArray[np.float64]) -> list[Pattern]:
    values, numbers = np.unique(counts, return_counts=True)
    found = []
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        if number < _FEWEST:
            continue
        low, high = min(value / _AROUND, value - 2), max(value * _AROUND, value + 2)
        others = int(((counts >= low) & (counts <= high) & (counts != value)).sum())
        expected = max((others + 1) / (np.floor(high) - np.ceil(max(low, 0))), 1e-3)
        p = poisson_tail(number, expected) * len(values)
        if p < 1:
            images = tuple(np.flatnonzero(counts == value).tolist())
            says = f"{number} images have {value:g} heads each, where {expected:.1f} would be expected"
            found.append(Pattern(images, p, says))
    return found
