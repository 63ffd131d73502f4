"""Density targets: every head counts 1, wherever it is, whatever it is batched with."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from countguard.data import density
from countguard.data.density import density_map, density_maps
from countguard.data.kernels import Adaptive, Dots, Fixed, Kernel

KERNELS = [Fixed(15.0), Fixed(0.5), Adaptive(), Dots()]
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))

sides = st.integers(1, 90)
strides = st.sampled_from([1, 2, 4, 8, 16])
gaussians = st.one_of(
    st.builds(Fixed, st.floats(1e-9, 1000)),
    st.builds(Adaptive, neighbors=st.integers(1, 5), beta=st.floats(0.01, 10), floor=st.floats(1e-9, 5)),
)
kernels = st.one_of(gaussians, st.just(Dots()))
coordinates = st.one_of(st.floats(-20, 120, width=32), st.integers(-1, 91).map(float))


@st.composite
def heads(draw: st.DrawFn, most: int = 12) -> Tensor:
    pairs = draw(st.lists(st.tuples(coordinates, coordinates), max_size=most))
    return torch.tensor(pairs, dtype=torch.float32).reshape(-1, 2)


def scattered(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([width, height])


def integrated(points: Tensor, height: int, width: int, stride: int, sigma: float) -> Tensor:
    """The same map by brute force: each Gaussian sampled 8 x 8 times a pixel, divided by its sum in the image."""
    x, y = ((np.arange(side * 8) + 0.5) / 8 for side in (width, height))
    cells = np.zeros((-(-height // stride), -(-width // stride)))
    for centre_x, centre_y in points.tolist():
        gaussian = np.exp(-((x - centre_x) ** 2 + (y[:, None] - centre_y) ** 2) / (2 * sigma**2))
        rows, columns = np.meshgrid((y // stride).astype(int), (x // stride).astype(int), indexing="ij")
        np.add.at(cells, (rows, columns), gaussian / gaussian.sum())
    return torch.from_numpy(cells).float()[None]


@settings(max_examples=150, deadline=None)
@given(heads(), sides, sides, strides, kernels)
def test_every_head_counts_one(points: Tensor, height: int, width: int, stride: int, kernel: Kernel) -> None:
    target = density_map(points, height, width, stride=stride, kernel=kernel)
    assert target.shape == (1, -(-height // stride), -(-width // stride))
    assert target.dtype == torch.float32
    assert target.min() >= 0
    assert target.sum().item() == pytest.approx(len(points), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 3000])
def test_mass_on_a_large_image(count: int, kernel: Kernel) -> None:
    target = density_map(scattered(count, 765, 1021), 765, 1021, kernel=kernel)
    assert target.shape == (1, 96, 128)
    assert target.sum().item() == pytest.approx(count, rel=1e-4)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize(
    "point", [(0, 0), (1021, 765), (1021, 300), (500, 765), (-5, 4), (1e30, -1e30), (8, 8)], ids=str
)
def test_mass_of_heads_that_share_one_awkward_place(point: tuple[float, float], kernel: Kernel) -> None:
    points = torch.tensor([point] * 3000, dtype=torch.float32)
    target = density_map(points, 765, 1021, kernel=kernel)
    assert target.sum().item() == pytest.approx(3000, rel=1e-4)


@pytest.mark.parametrize("sigma", [1.0, 4.0, 15.0])
@pytest.mark.parametrize(("height", "width", "stride"), [(37, 29, 8), (32, 40, 4)])
def test_agrees_with_a_fine_full_size_integration(height: int, width: int, stride: int, sigma: float) -> None:
    points = torch.cat([scattered(5, height, width), torch.tensor([[0.0, 0.0], [float(width), height / 2]])])
    target = density_map(points, height, width, stride=stride, kernel=Fixed(sigma))
    torch.testing.assert_close(target, integrated(points, height, width, stride, sigma), rtol=0, atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(heads(most=6), kernels), min_size=1, max_size=5), sides, sides, strides)
def test_a_batch_with_mixed_kernels_is_its_images(
    batch: list[tuple[Tensor, Kernel]], height: int, width: int, stride: int
) -> None:
    together = density_maps(
        [points for points, _ in batch], height, width, stride=stride, kernels=[kernel for _, kernel in batch]
    )
    alone = [density_map(points, height, width, stride=stride, kernel=kernel) for points, kernel in batch]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-6, atol=1e-7)


def test_one_kernel_serves_the_whole_batch() -> None:
    batch = [scattered(count, 64, 96, seed=count) for count in (7, 0, 2)]
    together = density_maps(batch, 64, 96, kernels=Adaptive())
    assert torch.equal(together, density_maps(batch, 64, 96, kernels=[Adaptive()] * 3))
    assert torch.equal(together[1], torch.zeros(1, 8, 12))


def test_a_batch_without_images_is_empty() -> None:
    assert density_maps([], 30, 17).shape == (0, 1, 4, 3)


def test_every_image_needs_its_kernel() -> None:
    with pytest.raises(ValueError, match="zip"):
        density_maps([torch.zeros(1, 2)] * 2, 16, 16, kernels=[Dots()])


@settings(max_examples=50, deadline=None)
@given(heads(), st.integers(1, 10), st.integers(1, 10), gaussians)
def test_flipping_the_heads_flips_the_map(points: Tensor, rows: int, columns: int, kernel: Kernel) -> None:
    height, width = rows * 8, columns * 8
    exact = points.double()  # width - x is rounded in float32, which a Gaussian much narrower than a pixel would see
    flipped = torch.stack([width - exact[:, 0], exact[:, 1]], dim=1)
    target = density_map(exact, height, width, kernel=kernel)
    mirrored = density_map(flipped, height, width, kernel=kernel)
    torch.testing.assert_close(mirrored, target.flip(2), rtol=1e-6, atol=1e-6)


def test_flipping_dots_flips_the_map() -> None:
    points = scattered(40, 48, 64).floor() + 0.5
    flipped = torch.tensor([64.0, 0.0]) + points * torch.tensor([-1.0, 1.0])
    assert torch.equal(density_map(flipped, 48, 64, kernel=Dots()), density_map(points, 48, 64, kernel=Dots()).flip(2))


@pytest.mark.parametrize("kernel", [Fixed(3.0), Adaptive(), Dots()], ids=repr)
def test_moving_the_heads_by_one_stride_moves_the_map(kernel: Kernel) -> None:
    points = scattered(20, 60, 60) + 70  # more than six sigma from every border, before and after
    target = density_map(points, 200, 200, kernel=kernel)
    moved = density_map(points + torch.tensor([8.0, -8.0]), 200, 200, kernel=kernel)
    torch.testing.assert_close(moved, target.roll((-1, 1), dims=(1, 2)), rtol=0, atol=1e-5)


def test_dots_take_the_floor_and_keep_heads_that_share_a_pixel() -> None:
    points = torch.tensor([[7.99, 0.0], [8.0, 0.0], [8.2, 0.4], [8.7, 0.9], [17.0, 9.0], [-3.0, 99.0]])
    target = density_map(points, 9, 17, kernel=Dots())
    assert torch.equal(target, torch.tensor([[[1.0, 3.0, 0.0], [1.0, 0.0, 1.0]]]))


def test_adaptive_sigma_is_beta_times_the_mean_distance_to_the_nearest() -> None:
    points = torch.tensor([[50.0, 50.0], [60.0, 50.0], [30.0, 50.0], [50.0, 90.0]])
    target = density_map(points, 96, 96, kernel=Adaptive(neighbors=3, beta=0.3))
    expected = torch.zeros_like(target)
    for index in range(4):  # of four heads, the other three are the nearest three
        distances = (points - points[index]).norm(dim=1)
        expected += density_map(points[[index]], 96, 96, kernel=Fixed(0.3 * distances.sum().item() / 3))
    torch.testing.assert_close(target, expected)


def test_adaptive_with_too_few_heads_averages_over_those_there_are() -> None:
    lone = torch.tensor([[20.0, 30.0]])
    assert torch.equal(
        density_map(lone, 64, 64, kernel=Adaptive(fallback=7.0)), density_map(lone, 64, 64, kernel=Fixed(7.0))
    )
    pair = torch.tensor([[20.0, 30.0], [30.0, 30.0]])
    torch.testing.assert_close(
        density_map(pair, 64, 64, kernel=Adaptive(beta=0.3)), density_map(pair, 64, 64, kernel=Fixed(3.0))
    )


def test_adaptive_heads_that_coincide_keep_the_floor() -> None:
    points = torch.tensor([[21.0, 30.0]]).repeat(5, 1)
    assert torch.equal(
        density_map(points, 64, 64, kernel=Adaptive(floor=2.0)), density_map(points, 64, 64, kernel=Fixed(2.0))
    )


@pytest.mark.parametrize("others", [1, 3])
def test_the_two_ways_to_the_nearest_heads_agree(others: int) -> None:
    points = scattered(1100, 500, 700).double()
    points[:200] = points[0]
    torch.testing.assert_close(density._nearest_by_pairs(points, others), density._nearest_by_tree(points, others))


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_autocast_costs_no_mass(device: str) -> None:
    points = scattered(300, 384, 512).to(device)
    plain = density_map(points, 384, 512)
    with torch.autocast(device, dtype=torch.bfloat16):
        assert torch.equal(density_map(points, 384, 512), plain)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_the_map_is_never_nan(kernel: Kernel) -> None:
    points = torch.tensor([[0.0, 0.0], [8.0, 8.0], [16.0, 24.0], [4.0, 4.0]])
    assert density_map(points, 24, 16, kernel=kernel).isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_gives_the_same_maps_and_never_waits_for_the_host() -> None:
    batch = [scattered(count, 384, 512, seed=count) for count in (300, 0, 1, 2, 2000)]
    mixed: list[Kernel] = [Fixed(15.0), Adaptive(), Adaptive(), Adaptive(), Adaptive()]
    on_device = [points.cuda() for points in batch]
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        maps = density_maps(on_device, 384, 512, kernels=mixed)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(maps.cpu(), density_maps(batch, 384, 512, kernels=mixed), rtol=1e-5, atol=1e-6)
