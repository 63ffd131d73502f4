import numpy as np
import pytest
from scipy.stats import gaussian_kde

from countguard.reports.figures.curves import mean_curve
from countguard.reports.figures.errors import error_quartiles
from countguard.reports.figures.ratio_density import kernel_density
from countguard.reports.figures.style import ATTACKED


@pytest.mark.parametrize("bandwidth", [0.5, 0.05])
def test_kernel_density_is_scipys_with_the_bandwidth_in_units_of_the_ratio(bandwidth: float) -> None:
    values = np.random.default_rng(0).normal(1.0, 0.3, 50)
    at = np.linspace(0, 3, 31)
    expected = gaussian_kde(values, bw_method=bandwidth / values.std(ddof=1))(at)
    assert kernel_density(values, at, bandwidth) == pytest.approx(expected)


def test_kernel_density_of_equal_values_is_a_bell() -> None:
    assert kernel_density(np.ones(3), np.array([1.0]), 0.5)[0] == pytest.approx(1 / (0.5 * np.sqrt(2 * np.pi)))


def test_error_quartiles_group_by_true_count() -> None:
    truths = np.array([10.0] * 8 + [100.0] * 8)
    estimates = np.array([5.0] * 8 + [150.0] * 8)
    rows = error_quartiles(truths, estimates)
    assert rows[0].tolist() == [10.0, -50.0, -50.0, -50.0]
    assert rows[-1].tolist() == [100.0, 50.0, 50.0, 50.0]


@pytest.mark.parametrize("images", [0, 1, 3, 5])
def test_error_quartiles_of_few_images(images: int) -> None:
    assert error_quartiles(np.full(images, 10.0), np.full(images, 11.0)).shape == (min(images, 1), 4)


def test_mean_curve_averages_the_seeds_at_each_place() -> None:
    curve = mean_curve("a", ATTACKED, [(0.2, 1.0), (0.1, 0.0), (0.2, 0.5)])
    assert (list(curve.x), list(curve.y)) == ([0.1, 0.2], [0.0, 0.75])
    assert (list(curve.low), list(curve.high)) == ([0.0, 0.5], [0.0, 1.0])
