import pytest
import torch
from scipy.optimize import linear_sum_assignment

from countguard.models.sinkhorn import dual_potentials


def value(cost: torch.Tensor, heads: torch.Tensor, density: torch.Tensor, **how: float) -> torch.Tensor:
    of_heads, of_density = dual_potentials(
        cost, heads, density, regularisation=how["reg"], iterations=int(how["steps"])
    )
    return (heads * of_heads).sum(1) + (density * of_density).sum(1)


def test_a_small_regularisation_gives_the_exact_assignment() -> None:
    cost = torch.rand(3, 6, 6)
    even = torch.full((3, 6), 1 / 6)
    found = value(cost, even, even, reg=0.005, steps=2000)
    for matrix, transport in zip(cost, found, strict=True):
        rows, columns = linear_sum_assignment(matrix.numpy())
        assert transport.item() == pytest.approx(matrix[rows, columns].mean().item(), abs=0.01)


def test_one_head_is_carried_to_every_cell() -> None:
    cost = torch.rand(1, 1, 7) * 1e5  # far above the regularisation: e to the minus 10,000 would be 0
    density = torch.rand(1, 7).softmax(1)
    found = value(cost, torch.ones(1, 1), density, reg=10.0, steps=100)
    assert found.item() == pytest.approx((cost[0, 0] * density[0]).sum().item(), rel=1e-5)


def test_the_potential_of_the_density_is_the_gradient() -> None:
    cost = torch.rand(1, 4, 5)
    heads, density = torch.full((1, 4), 0.25), torch.full((1, 5), 0.2)
    _, potential = dual_potentials(cost, heads, density, regularisation=0.1, iterations=500)
    moved = density + torch.tensor([[0.01, -0.01, 0.0, 0.0, 0.0]])
    change = value(cost, heads, moved, reg=0.1, steps=500) - value(cost, heads, density, reg=0.1, steps=500)
    assert change.item() == pytest.approx(0.01 * (potential[0, 0] - potential[0, 1]).item(), rel=0.1, abs=1e-4)


def test_heads_that_fill_up_the_batch_and_empty_cells_change_nothing() -> None:
    cost = torch.rand(1, 3, 4)
    heads, density = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[0.2, 0.3, 0.5, 0.0]])
    of_heads, of_density = dual_potentials(cost, heads, density, regularisation=0.1)
    alone, cells = dual_potentials(cost[:, :2, :3], heads[:, :2], density[:, :3], regularisation=0.1)
    assert torch.isfinite(of_heads).all()
    assert torch.isfinite(of_density).all()
    assert torch.allclose(of_heads[:, :2], alone, atol=1e-5)
    assert torch.allclose(of_density[:, :3], cells, atol=1e-5)


def test_autocast_does_not_reach_it() -> None:
    cost = torch.rand(1, 3, 4) * 300
    heads, density = torch.full((1, 3), 1 / 3), torch.full((1, 4), 0.25)
    plain = dual_potentials(cost, heads, density)[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = dual_potentials(cost, heads, density)[1]
    assert torch.equal(plain, under)
