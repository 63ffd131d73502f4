"""How well a counter that gives positions finds the heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.metric import Measurement, metric
from countguard.metrics.ratios import Floats

NEIGHBOURS, SHARE = 3, 0.5
"""A head is found by a point within half the mean distance to its three nearest heads (P2PNet)."""
FARTHEST = 20.0
"""Pixels: the largest such distance, and the distance for a lone head."""


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Points of the test images as they are; every field has one entry for each image.

    Attributes:
        found: how many points the counter gives.
        matched: how many of them are matched to a head, one to one.
    """

    found: Floats
    matched: Floats

    @classmethod
    def of(cls, found: Sequence[Floats], heads: Sequence[Floats]) -> "Located":
        """Points beside heads, an array [n, 2] of each for every image, x then y, pixels."""
        matched = [match(*pair) for pair in zip(found, heads, strict=True)]
        return cls(np.array([float(len(points)) for points in found]), np.array(matched, dtype=np.float64))


def match(found: Floats, heads: Floats) -> int:
    """How many heads can be matched with a point near them, one to one; as many as possible.

    Args:
        found: [points, 2], x then y, pixels.
        heads: [heads, 2].
    """
    if not len(found) or not len(heads):
        return 0
    near = cKDTree(found).query_ball_point(heads, radii(heads))
    rows = np.repeat(np.arange(len(heads)), [len(some) for some in near])
    columns = np.concatenate([np.asarray(some, dtype=np.int64) for some in near])
    pairs = csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(len(heads), len(found)))
    return int((maximum_bipartite_matching(pairs, perm_type="column") >= 0).sum())


def radii(heads: Floats) -> NDArray[np.float64]:
    """How near a point must be to each head [heads], pixels."""
    if len(heads) == 1:
        return np.array([FARTHEST])
    distances = np.asarray(cKDTree(heads).query(heads, k=min(NEIGHBOURS + 1, len(heads)))[0])
    return np.asarray(np.minimum(SHARE * distances[:, 1:].mean(axis=1), FARTHEST))


def f1_score(matched: Floats, found: Floats, heads: Floats, axis: int = -1) -> Floats:
    """F1 over `axis`: the harmonic mean of the fractions of points that are heads and of heads that are found."""
    return np.asarray(2 * matched.sum(axis=axis) / np.maximum(found.sum(axis=axis) + heads.sum(axis=axis), 1))


@metric("f1", "F1", in_results=False)
def f1(measurement: Measurement) -> Interval | None:
    """F1 of the points on clean images; None for a counter that gives none."""
    located = measurement.predictions.located
    if located is None:
        return None
    return bootstrap_interval(f1_score, [located.matched, located.found, measurement.predictions.truths])
