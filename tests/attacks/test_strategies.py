"""What attackers want counted, by the paper and by its public code."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from countguard.attacks.strategies import Add, Divide, Double, Keep, Minus, Multiply, ScaleDensity, Strategy
from countguard.data.density import density_map
from countguard.data.kernels import Fixed

HEIGHT, WIDTH = 48, 64
EVERY = [Add(), Minus(), Divide(), Multiply(), Multiply(factor=5), Divide(factor=3)]
DMBA = [Keep(), Keep(fraction=0.4), ScaleDensity(), ScaleDensity(factor=3), Double()]
REFERENCE = [strategy.model_copy(update={"variant": "reference-code"}) for strategy in EVERY]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points_of(count: int, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """Points all over an image, its first and last representable places among them."""
    points = torch.rand(count, 2, generator=generator(seed)) * torch.tensor([width, height])
    if count > 1:
        points[0] = 0
        points[1] = torch.nextafter(torch.tensor([float(width), float(height)]), torch.zeros(2))
    return points


def inside(points: Tensor, height: int = HEIGHT, width: int = WIDTH) -> bool:
    return bool(((points >= 0) & (points < torch.tensor([width, height]))).all())


def is_subset_in_order(some: Tensor, points: Tensor) -> bool:
    remaining = iter(points.tolist())
    return all(head in remaining for head in some.tolist())


@given(count=st.integers(0, 300), heads=st.integers(1, 200), factor=st.integers(2, 9), seed=st.integers(0, 9))
def test_counts_are_the_papers(count: int, heads: int, factor: int, seed: int) -> None:
    points = points_of(count, seed)
    expected = {
        Add(heads=heads): count + heads,
        Minus(heads=heads): max(count - heads, 1) if count else 0,
        Divide(factor=factor): max(count // factor, 1) if count else 0,
        Multiply(factor=factor): count * factor,
    }
    for strategy, wanted in expected.items():
        altered = strategy(points, HEIGHT, WIDTH, generator(seed))
        assert altered.shape == (wanted, 2)
        assert altered.dtype == torch.float32
        assert inside(altered)


@given(count=st.integers(0, 150), seed=st.integers(0, 9))
def test_heads_are_kept_in_order_and_new_ones_come_after(count: int, seed: int) -> None:
    points = points_of(count, seed)
    for strategy in (Minus(heads=30), Divide(factor=3)):
        assert is_subset_in_order(strategy(points, HEIGHT, WIDTH, generator(seed)), points)
    for grown in (Add(heads=7), Multiply(factor=3)):
        assert torch.equal(grown(points, HEIGHT, WIDTH, generator(seed))[:count], points)


@pytest.mark.parametrize(
    "strategy", [*EVERY, *DMBA, *REFERENCE], ids=lambda strategy: f"{strategy.name}-{strategy.variant}"
)
@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101, 250])
def test_only_the_generator_decides_and_the_points_stay_untouched(strategy: Strategy, count: int) -> None:
    points = points_of(count)
    before = points.clone()
    torch.manual_seed(1)
    first = strategy(points, HEIGHT, WIDTH, generator(5))
    torch.manual_seed(2)
    assert torch.equal(strategy(points, HEIGHT, WIDTH, generator(5)), first)
    assert torch.equal(points, before)
    assert inside(first)


@pytest.mark.parametrize("strategy", [Add(), Minus(heads=10), Divide()], ids=lambda strategy: strategy.name)
def test_another_generator_draws_other_heads(strategy: Strategy) -> None:
    points = points_of(50)
    assert not torch.equal(strategy(points, HEIGHT, WIDTH, generator(1)), strategy(points, HEIGHT, WIDTH, generator(2)))


def test_added_heads_cover_the_whole_image() -> None:
    added = Add(heads=4000)(torch.zeros(0, 2), HEIGHT, WIDTH, generator())
    cells = torch.zeros(6, 8)
    cells.index_put_(((added[:, 1] // 8).long(), (added[:, 0] // 8).long()), torch.ones(4000), accumulate=True)
    expected = 4000 / 48
    assert ((cells - expected).square() / expected).sum() < 90  # chi-squared with 47 degrees of freedom: p > 1e-4


def test_removed_heads_are_drawn_evenly() -> None:
    points = torch.arange(20.0).repeat(2, 1).T.contiguous()
    kept = torch.zeros(20)
    for seed in range(500):
        kept[Divide()(points, HEIGHT, WIDTH, generator(seed))[:, 0].long()] += 1
    assert kept.min() > 200  # expected 250, deviation 11
    assert kept.max() < 300


def test_copies_are_one_pixel_up_and_left_and_stay_inside() -> None:
    points = torch.tensor([[10.5, 20.25], [0.5, 3.0], [0.0, 0.0]])
    copies = Multiply()(points, HEIGHT, WIDTH, generator())[3:]
    assert copies.tolist() == [[9.5, 19.25], [0.0, 2.0], [0.0, 0.0]]
    tripled = Multiply(factor=3)(points[:1], HEIGHT, WIDTH, generator())
    assert tripled.tolist() == [[10.5, 20.25], [9.5, 19.25], [8.5, 18.25]]


def test_the_reference_codes_grid_has_90_pixels_and_none_right_of_column_640() -> None:
    grid = Add(variant="reference-code")(torch.zeros(0, 2), 768, 1024, generator())
    assert len(grid) == 100
    assert inside(grid, 768, 1024)
    assert len(torch.unique(grid.floor(), dim=0)) == 90
    assert grid[:, 0].floor().max() == 640


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_the_reference_codes_minus_and_divide_may_leave_nobody(count: int) -> None:
    points = points_of(count)
    assert len(Minus(variant="reference-code")(points, HEIGHT, WIDTH, generator())) == 0
    assert len(Divide(variant="reference-code")(points[:1], HEIGHT, WIDTH, generator())) == 0


def test_the_reference_codes_copies_come_back_on_the_other_side() -> None:
    points = torch.tensor([[10.0, 20.0], [0.5, 1.0]])
    copies = Multiply(variant="reference-code")(points, HEIGHT, WIDTH, generator())[2:]
    assert copies.tolist() == [[8.0, 18.0], [62.5, 47.0]]


@given(width=st.integers(1, 2000), height=st.integers(1, 2000))
def test_copies_that_wrap_stay_inside_whatever_rounding_does(width: int, height: int) -> None:
    just_below = torch.nextafter(torch.tensor([[2.0, 2.0]]), torch.zeros(1, 2))
    copies = Multiply(variant="reference-code", factor=3)(just_below, height, width, generator())[1:]
    assert inside(copies, height, width)


def test_directions_say_which_way_the_count_goes() -> None:
    points = points_of(10)
    for strategy in [*EVERY, *DMBA]:
        change = len(strategy(points, HEIGHT, WIDTH, generator())) - 10
        assert change * strategy.direction > 0


@given(
    count=st.integers(0, 300),
    fraction=st.floats(0.01, 0.99),
    fewest=st.integers(0, 9),
    factor=st.floats(1.01, 5),
    seed=st.integers(0, 9),
)
def test_counts_are_those_of_dmba(count: int, fraction: float, fewest: int, factor: float, seed: int) -> None:
    points = points_of(count, seed)
    kept = Keep(fraction=fraction, fewest=fewest)(points, HEIGHT, WIDTH, generator(seed))
    assert len(kept) == min(max(int(count * fraction), fewest), count)
    assert is_subset_in_order(kept, points)
    scaled = ScaleDensity(factor=factor)(points, HEIGHT, WIDTH, generator(seed))
    assert len(scaled) == round(factor * count)
    assert torch.equal(scaled[:count], points)
    assert {tuple(head) for head in scaled.tolist()} == {tuple(head) for head in points.tolist()}
    doubled = Double()(points, HEIGHT, WIDTH, generator(seed))
    assert len(doubled) == 2 * count
    assert torch.equal(doubled[:count], points)
    assert inside(doubled)


@pytest.mark.parametrize("stride", [1, 8])
def test_a_whole_factor_scales_the_density_map_itself(stride: int) -> None:
    points = points_of(20)
    scaled = ScaleDensity(factor=3)(points, HEIGHT, WIDTH, generator())
    maps = [density_map(some, HEIGHT, WIDTH, stride=stride, kernel=Fixed(4.0)) for some in (points, scaled)]
    torch.testing.assert_close(maps[1], 3 * maps[0])


def test_copies_of_heads_are_within_the_jitter() -> None:
    points = points_of(500)
    inner = ((points > 3) & (points < torch.tensor([WIDTH - 3.0, HEIGHT - 3.0]))).all(dim=1)
    moved = (Double(jitter=2.5)(points, HEIGHT, WIDTH, generator())[500:] - points)[inner]
    assert moved.abs().max() <= 2.5
    assert (moved.amin(dim=0) < -2).all()  # of a hundred, some are near either end
    assert (moved.amax(dim=0) > 2).all()


def test_a_label_is_the_name_in_results_and_absent_from_older_dumps() -> None:
    assert Keep(label="keep_20").name == "keep_20"
    assert Keep(label="keep_20").model_dump()["label"] == "keep_20"
    assert Minus().model_dump() == {"kind": "minus", "heads": 100, "variant": "paper"}


def test_strategies_are_values() -> None:
    assert Minus(heads=50) == Minus.model_validate({"kind": "minus", "heads": 50})
    assert hash(Minus(heads=50)) == hash(Minus(heads=50))
    assert Minus(heads=50).name == "minus"
