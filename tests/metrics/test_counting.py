"""Counting errors and rates."""

import math

import numpy as np

from countguard.metrics.counting import mean_absolute_error, ratio_rate, root_mean_squared_error
from countguard.metrics.ratios import RatioRange

ESTIMATES = np.array([11.0, 7.0, 3.0, 0.0])
TRUTHS = np.array([10.0, 10.0, 0.0, 4.0])


def test_errors_by_hand() -> None:
    assert mean_absolute_error(ESTIMATES, TRUTHS) == (1 + 3 + 3 + 4) / 4
    assert root_mean_squared_error(ESTIMATES, TRUTHS) == math.sqrt((1 + 9 + 9 + 16) / 4)


def test_an_axis_of_resamples_is_kept() -> None:
    both = np.stack([ESTIMATES, TRUTHS])
    assert mean_absolute_error(both, TRUTHS).tolist() == [11 / 4, 0]
    assert ratio_rate(np.array([[9.0, 12.0], [1.0, 1.0]]), np.array([10.0, 10.0])).tolist() == [0.5, 0]


def test_a_range_knows_its_ends() -> None:
    ratios = np.array([1.0, 1.5, 2.0])
    expected = {
        "both": [True, True, True],
        "left": [True, True, False],
        "right": [False, True, True],
        "neither": [False, True, False],
    }
    for closed, holds in expected.items():
        assert RatioRange(1.0, 2.0, closed=closed).holds(ratios).tolist() == holds  # type: ignore[arg-type]
