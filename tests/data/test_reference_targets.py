"""What is wrong with the reference codes' targets, each fault shown beside the exact target that lacks it."""

import pytest
import torch
from torch import Tensor

from countguard.data.density import density_map
from countguard.data.kernels import Adaptive, Fixed
from countguard.data.reference_targets import csrnet_adaptive_map, csrnet_map, reduce_map

HEIGHT, WIDTH = 192, 256


def mid_pixels(count: int, margin: int = 60) -> Tensor:
    """Heads about the middle of distinct pixels, away from the border: where the references make no mistake.

    A little less than the middle, or rounding would take half of them to the next pixel.
    """
    free = torch.cartesian_prod(torch.arange(margin, WIDTH - margin), torch.arange(margin, HEIGHT - margin))
    chosen = torch.randperm(len(free), generator=torch.Generator().manual_seed(0))[:count]
    return free[chosen] + 0.499


def test_without_their_faults_the_fixed_targets_agree() -> None:
    points = mid_pixels(30)
    reference = csrnet_map(points, HEIGHT, WIDTH)
    torch.testing.assert_close(reference, density_map(points, HEIGHT, WIDTH, kernel=Fixed(15.0)), rtol=0, atol=2e-4)


def test_without_their_faults_the_adaptive_targets_agree() -> None:
    points = mid_pixels(30)
    reference = csrnet_adaptive_map(points, HEIGHT, WIDTH)
    # The reference samples a Gaussian at whole pixels and cuts it off at four sigma.
    torch.testing.assert_close(reference, density_map(points, HEIGHT, WIDTH, kernel=Adaptive()), rtol=0, atol=5e-3)


def test_heads_on_one_pixel_become_one() -> None:
    points = torch.cat([mid_pixels(4), mid_pixels(1).repeat(6, 1)])
    assert csrnet_adaptive_map(points, HEIGHT, WIDTH).sum().item() == pytest.approx(4, rel=1e-3)
    assert density_map(points, HEIGHT, WIDTH, kernel=Adaptive()).sum().item() == pytest.approx(10, rel=1e-4)


@pytest.mark.parametrize("x", [WIDTH - 0.5, float(WIDTH), WIDTH + 40.0])
def test_heads_beyond_the_right_border_go_to_the_last_column_of_the_papers_code(x: float) -> None:
    points = torch.tensor([[x, 96.5], [40.5, 96.5]])
    last = torch.tensor([[WIDTH - 0.5, 96.5], [40.5, 96.5]])
    paper = csrnet_map(points, HEIGHT, WIDTH, sigma=2.0)
    assert paper[..., WIDTH // 16 :].sum() > 0.5
    assert paper.sum().item() == pytest.approx(2, rel=1e-4)
    assert torch.equal(paper, csrnet_map(last, HEIGHT, WIDTH, sigma=2.0))
    at_the_bottom = csrnet_map(points.flip(1), WIDTH, HEIGHT, sigma=2.0)
    torch.testing.assert_close(at_the_bottom, paper.mT, rtol=0, atol=1e-6)


def test_heads_beyond_the_right_border_are_dropped_by_the_authors_code() -> None:
    points = torch.cat([mid_pixels(4), torch.tensor([[float(WIDTH), 96.0], [40.0, float(HEIGHT)]])])
    assert csrnet_adaptive_map(points, HEIGHT, WIDTH).sum().item() == pytest.approx(4, rel=0.02)
    assert density_map(points, HEIGHT, WIDTH, kernel=Adaptive()).sum().item() == pytest.approx(6, rel=1e-4)


@pytest.mark.parametrize(("x", "pixel"), [(40.2, 40), (40.5, 40), (40.6, 41), (41.5, 42), (41.9, 42), (-0.4, 0)])
def test_the_papers_code_rounds_a_head_to_the_nearest_whole_number(x: float, pixel: int) -> None:
    rounded = csrnet_map(torch.tensor([[x, 96.5]]), HEIGHT, WIDTH, stride=1, sigma=0.2)
    assert divmod(int(rounded.argmax()), WIDTH) == (96, pixel)


def test_heads_beyond_the_left_border_come_in_at_the_right() -> None:
    beyond = csrnet_map(torch.tensor([[-3.0, 96.5]]), HEIGHT, WIDTH, stride=1, sigma=0.2)
    assert divmod(int(beyond.argmax()), WIDTH) == (96, WIDTH - 3)


def test_mass_that_spills_over_the_border_is_lost_or_moved() -> None:
    points = torch.tensor([[0.5, 40.5], [0.5, 50.5], [0.5, 60.5], [0.5, 70.5], [150.5, 96.5]])
    assert csrnet_adaptive_map(points, HEIGHT, WIDTH).sum() < 4
    at_border = (..., slice(None, 10))
    assert csrnet_map(points, HEIGHT, WIDTH)[at_border].sum() < 3.6
    assert density_map(points, HEIGHT, WIDTH, kernel=Adaptive()).sum().item() == pytest.approx(5, rel=1e-4)
    assert density_map(points, HEIGHT, WIDTH)[at_border].sum().item() == pytest.approx(4, rel=1e-3)


def test_an_image_without_heads_becomes_nan() -> None:
    nobody = torch.zeros(0, 2)
    assert csrnet_map(nobody, HEIGHT, WIDTH).isnan().all()
    assert torch.equal(density_map(nobody, HEIGHT, WIDTH), torch.zeros(1, HEIGHT // 8, WIDTH // 8))


@pytest.mark.parametrize("count", [2, 3])
def test_two_or_three_heads_stop_the_adaptive_kernel(count: int) -> None:
    points = mid_pixels(count)
    with pytest.raises(OverflowError):
        csrnet_adaptive_map(points, HEIGHT, WIDTH)
    assert density_map(points, HEIGHT, WIDTH, kernel=Adaptive()).sum().item() == pytest.approx(count, rel=1e-4)


def test_the_adaptive_kernel_survives_nobody_and_blurs_a_lone_head_beyond_the_border() -> None:
    assert csrnet_adaptive_map(torch.zeros(0, 2), HEIGHT, WIDTH).sum() == 0
    lone = mid_pixels(1)
    assert csrnet_adaptive_map(lone, HEIGHT, WIDTH).sum() < 0.95
    assert density_map(lone, HEIGHT, WIDTH, kernel=Adaptive()).sum().item() == pytest.approx(1, rel=1e-4)


def test_cubic_sampling_sees_a_narrow_head_by_its_place_in_the_cell() -> None:
    counts = []
    for offset in range(8):
        point = torch.tensor([[96.5 + offset, 100.5]])
        counts.append(csrnet_map(point, HEIGHT, WIDTH, sigma=1.0, reduction="cubic").sum().item())
        assert density_map(point, HEIGHT, WIDTH, kernel=Fixed(1.0)).sum().item() == pytest.approx(1, rel=1e-4)
    assert max(counts) > 3
    assert min(counts) < 0.1


def test_cubic_sampling_reads_a_quarter_of_the_pixels() -> None:
    full_size = torch.zeros(1, 1, 8, 8)
    full_size[..., 2:6, 2:6] = 1
    unread = 1 - full_size
    assert reduce_map(unread.numpy()[0, 0], 8, "cubic").item() == 0
    assert reduce_map(full_size.numpy()[0, 0], 8, "cubic").item() == pytest.approx(64)
    assert reduce_map(full_size.numpy()[0, 0], 8, "sum").item() == pytest.approx(16)


def test_reductions_treat_the_last_cells_differently() -> None:
    points = torch.tensor([[30.5, 20.5]])
    summed = csrnet_map(points, 45, 61, sigma=4.0)
    assert summed.shape == (1, 6, 8)
    assert summed.sum().item() == pytest.approx(1, rel=1e-4)
    assert csrnet_map(points, 45, 61, sigma=4.0, reduction="cubic").shape == (1, 5, 7)
