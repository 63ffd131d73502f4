"""Means of neighbours are those of `ndimage`, and chances are those of `scipy.stats`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, stats
from torch.nn import functional

from countguard.audit import laws
from countguard.audit.features import Canvas, on_canvas
from countguard.audit.likeness import median
from countguard.audit.local_means import binomial_mean, box_mean
from countguard.audit.single_pictures import sums_of_9_and_49

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(shapes, st.sampled_from([3, 5, 7, 9]), st.integers(0, 99))
def test_means_over_squares_are_those_of_a_filter(shape: tuple[int, int], side: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    for of_one, mean in zip(values, box_mean(values, side), strict=True):
        np.testing.assert_allclose(mean, ndimage.uniform_filter(of_one, side, mode="nearest"), atol=1e-5)


@given(shapes, st.integers(0, 99))
def test_binomial_means_are_those_of_a_filter(shape: tuple[int, int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    for of_one, mean in zip(values, binomial_mean(values), strict=True):
        np.testing.assert_allclose(mean, ndimage.correlate(of_one, weights, mode="nearest"), atol=1e-5)


@given(shapes, st.integers(0, 99))
def test_sums_of_pixels_are_exact(shape: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    for sums, side in zip(sums_of_9_and_49(pixels), (3, 7), strict=True):
        found = ndimage.correlate(pixels.astype(np.int64), np.ones((side, side), np.int64), mode="nearest")
        np.testing.assert_array_equal(sums, found)


@pytest.mark.parametrize("times", [(1, 1), (2, 2), (3, 2), (2.5, 2)])
def test_a_canvas_holds_the_mean_of_the_pixels_under_each_of_its_own(times: tuple[float, float]) -> None:
    canvas = Canvas(2, 3, 16)
    size = round(times[0] * canvas.height), round(times[1] * canvas.width)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image[1] = image[2] = image[0]  # so that light is the mean alone
    mean = functional.interpolate(image[None, :1].float(), (canvas.height, canvas.width), mode="area")[0, 0].numpy()
    np.testing.assert_allclose(on_canvas(image, canvas)["y"], mean, rtol=1e-5)


@given(st.floats(-30, 30), st.integers(3, 200), st.integers(0, 50), st.floats(0, 60))
def test_chances_are_those_of_scipy(value: float, freedom: int, number: int, mean: float) -> None:
    assert float(laws.normal_tail(value)) == pytest.approx(stats.norm.sf(value), rel=1e-9)
    assert float(laws.student_tail(value, freedom)) == pytest.approx(stats.t.sf(value, freedom), rel=1e-9)
    assert laws.poisson_tail(number, mean) == pytest.approx(stats.poisson.sf(number - 1, mean), rel=1e-9)
    chance = float(laws.normal_tail(abs(value)))
    assert float(laws.normal_cut(chance)) == pytest.approx(stats.norm.isf(chance), rel=1e-9)
    density = laws.normal_density(np.array([value]), 1.0, 2.0)
    assert density == pytest.approx(stats.norm.pdf(value, 1, 2), rel=1e-6)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30))
def test_a_median_is_that_of_numpy(values: list[float]) -> None:
    assert median(np.array(values, np.float32)) == float(np.median(np.array(values, np.float32)))
