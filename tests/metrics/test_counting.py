"""Counting errors, and rates that add up over batches."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.metrics.counting import RatioRate, mean_absolute_error, ratio_rate, root_mean_squared_error
from countguard.metrics.ratios import RatioRange, success_ranges

ESTIMATES = np.array([11.0, 7.0, 3.0, 0.0])
TRUTHS = np.array([10.0, 10.0, 0.0, 4.0])


def test_errors_by_hand() -> None:
    assert mean_absolute_error(ESTIMATES, TRUTHS) == (1 + 3 + 3 + 4) / 4
    assert root_mean_squared_error(ESTIMATES, TRUTHS) == math.sqrt((1 + 9 + 9 + 16) / 4)


def test_an_axis_of_resamples_is_kept() -> None:
    both = np.stack([ESTIMATES, TRUTHS])
    assert mean_absolute_error(both, TRUTHS).tolist() == [11 / 4, 0]
    assert ratio_rate(np.array([[9.0, 12.0], [1.0, 1.0]]), np.array([10.0, 10.0])).tolist() == [0.5, 0]


@given(
    counts=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 600)), min_size=1, max_size=40),
    batch=st.integers(1, 7),
)
def test_a_rate_over_batches_is_the_rate_of_the_whole(counts: list[tuple[int, int]], batch: int) -> None:
    truths = torch.tensor([float(truth) for truth, _ in counts])
    estimates = torch.tensor([float(estimate) for _, estimate in counts])
    with_ratio = truths > 0
    for ratios in (None, *success_ranges(1).values(), *success_ranges(-1).values()):
        metric = RatioRate() if ratios is None else RatioRate(ratios)
        for estimated, true in zip(torch.split(estimates, batch), torch.split(truths, batch), strict=True):
            metric.update(estimated, true)
        assert int(metric.left_out) == int((~with_ratio).sum())
        if not with_ratio.any():
            assert metric.compute().isnan()
            continue
        chosen = estimates[with_ratio].double().numpy(), truths[with_ratio].double().numpy()
        whole = ratio_rate(*chosen) if ratios is None else ratio_rate(*chosen, ratios)
        assert float(metric.compute()) == pytest.approx(float(whole), abs=1e-15)


def test_a_rate_starts_anew_after_a_reset() -> None:
    metric = RatioRate()
    metric.update(torch.tensor([10.0, 50.0]), torch.tensor([10.0, 10.0]))
    assert metric.compute() == 0.5
    metric.reset()
    metric.update(torch.tensor([10.0]), torch.tensor([10.0]))
    assert metric.compute() == 1.0


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
