"""Bootstrap intervals: around their value, reproducible, wide where little is known."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countguard.metrics import intervals
from countguard.metrics.counting import mean_absolute_error, ratio_rate, root_mean_squared_error
from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.ratios import Floats


@given(
    counts=st.lists(st.tuples(st.integers(1, 300), st.floats(0, 600)), min_size=1, max_size=25),
    statistic=st.sampled_from([mean_absolute_error, root_mean_squared_error, ratio_rate]),
)
@hypothesis_settings(max_examples=60)
def test_the_value_lies_in_its_interval(counts: list[tuple[int, float]], statistic: object) -> None:
    truths = np.array([float(truth) for truth, _ in counts])
    estimates = np.array([estimate for _, estimate in counts])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interval = bootstrap_interval(statistic, [estimates, truths])  # type: ignore[arg-type]
    assert interval.low - 1e-9 <= interval.value <= interval.high + 1e-9
    assert interval.value == pytest.approx(float(statistic(estimates, truths)))  # type: ignore[operator]


def test_a_single_image_says_nothing_of_others() -> None:
    assert bootstrap_interval(mean_absolute_error, [np.array([3.0]), np.array([5.0])]) == Interval(2.0, 2.0, 2.0)


def test_equal_images_leave_no_doubt() -> None:
    ten = np.full(10, 4.0)
    assert bootstrap_interval(mean_absolute_error, [ten, ten + 1]) == Interval(1.0, 1.0, 1.0)


def test_more_images_make_it_narrower_and_the_seed_makes_it_certain() -> None:
    errors = np.random.default_rng(0).normal(10, 3, 400)
    few, many = (bootstrap_interval(np.mean, [errors[:number]]) for number in (20, 400))
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert bootstrap_interval(np.mean, [errors]) == many
    assert bootstrap_interval(np.mean, [errors], seed=1) != many


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        interval = bootstrap_interval(np.mean, [generator.normal(5, 2, 60)])
        covered += interval.low <= 5 <= interval.high
    assert 178 <= covered <= 199  # 95 % of 200, give or take four deviations, and the percentile method's own bias


def test_images_are_drawn_with_all_their_values() -> None:
    estimates = np.array([10.0, 1000.0, 20.0, 5.0])
    assert bootstrap_interval(mean_absolute_error, [estimates, estimates]) == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize("statistic", [mean_absolute_error, root_mean_squared_error, ratio_rate])
@pytest.mark.parametrize("at_once", [1, 1000, 7001])
def test_blocks_change_no_bit(statistic: Callable[..., Floats], at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = list(np.random.default_rng(0).uniform(1, 100, (2, 333)))
    whole = bootstrap_interval(statistic, columns)
    monkeypatch.setattr(intervals, "_AT_ONCE", at_once)
    assert bootstrap_interval(statistic, columns) == whole


def test_a_set_of_any_size_takes_bounded_memory_and_work() -> None:
    drawn: list[tuple[int, ...]] = []

    def mean(values: Floats, axis: int) -> Floats:
        drawn.append(values.shape)
        return np.asarray(values.mean(axis=axis))

    interval = bootstrap_interval(mean, [np.random.default_rng(0).normal(10, 3, 300_000)])
    assert 9.9 < interval.low < interval.value < interval.high < 10.1
    assert max(map(math.prod, drawn)) < 3_000_000
    assert sum(map(math.prod, drawn)) < 32_000_000
