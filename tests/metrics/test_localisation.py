from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from countguard.metrics import Measurement, Predictions, measure
from countguard.metrics.localisation import FARTHEST, Located, f1_score, match, radii

POINTS = st.integers(0, 6).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.floats(0, 60)))


def by_hand(found: np.ndarray, heads: np.ndarray) -> int:
    """The most pairs, of all ways to pair them."""
    if not len(found) or not len(heads):
        return 0
    near = np.linalg.norm(heads[:, None] - found[None], axis=2) <= radii(heads)[:, None]
    near = near if len(heads) <= len(found) else near.T
    return max(
        sum(near[row, column] for row, column in enumerate(chosen))
        for chosen in permutations(range(near.shape[1]), near.shape[0])
    )


@settings(max_examples=60, deadline=None)
@given(POINTS, POINTS)
def test_as_many_pairs_as_there_can_be(found: np.ndarray, heads: np.ndarray) -> None:
    assert match(found, heads) == by_hand(found, heads)


def test_a_point_is_near_a_head_by_how_close_the_others_are() -> None:
    row = np.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0], [12.0, 0.0]])
    assert radii(row).tolist() == pytest.approx([4.0, 8 / 3, 8 / 3, 4.0])
    assert radii(100 * row).tolist() == [FARTHEST] * 4
    assert radii(row[:1]).tolist() == [FARTHEST]
    assert radii(row[:2]).tolist() == [2.0, 2.0]
    assert match(np.array([[2.0, 0.0]]), row) == 1  # near two, but one point is one head's
    assert match(row, row) == 4


def test_f1_adds_up_over_images_and_needs_points() -> None:
    heads = [np.array([[10.0, 10.0], [50.0, 10.0]]), np.zeros((0, 2)), np.array([[5.0, 5.0]])]
    found = [np.array([[11.0, 10.0], [52.0, 12.0], [90.0, 90.0]]), np.array([[1.0, 1.0]]), np.zeros((0, 2))]
    located = Located.of(found, heads)
    assert (located.found.tolist(), located.matched.tolist()) == ([3, 1, 0], [2, 0, 0])
    truths = np.array([2.0, 0.0, 1.0])
    predictions = Predictions(("a", "b", "c"), truths, truths, truths, truths, located)
    assert measure(Measurement(predictions))["f1"].value == pytest.approx(2 * 2 / (4 + 3))
    without = Predictions(("a", "b", "c"), truths, truths, truths, truths)
    assert "f1" not in measure(Measurement(without))
    assert f1_score(np.zeros(2), np.zeros(2), np.zeros(2)) == 0
