"""DM-Count as public code computes it: against that code's own numbers, and against values by hand."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from countguard.models.bins import Bins
from countguard.models.blockwise import BlockwiseCounter, Objective
from countguard.models.count_losses import OT_WEIGHT, TV_WEIGHT, dm_count, dm_count_exact
from countguard.models.sinkhorn_scaling import saturated_potential
from countguard.studies.resolve import read_recipe

SIDE = 448


class Given(BlockwiseCounter):
    """The logits that it was given, whatever the images."""

    def __init__(self, given: Tensor, objective: Objective) -> None:
        super().__init__(bins=Bins(values=(0, 1, 2, 3, 4.41009)), objective=objective)
        self.given = nn.Parameter(given)

    def logits(self, normalised: Tensor) -> Tensor:
        return self.given

    def explained_layer(self) -> nn.Module:
        return self


@pytest.mark.parametrize("count", ["mae", "mse", "dmcount"])
@pytest.mark.parametrize("case", range(7))
def test_loss_and_gradient_are_those_of_the_reference_code(
    golden: Callable[[str], Path], count: str, case: int
) -> None:
    recipe = read_recipe("paper-clip-ebc", ["preset=reference-code", f"model.objective.count={count}"])
    with np.load(golden("dace_losses.npz")) as numbers:
        logits, gradient = (torch.from_numpy(numbers[f"{case}_{name}"]) for name in ("logits", f"{count}_grad"))
        expected = float(numbers[f"{case}_{count}_loss"])
        points = [torch.from_numpy(numbers[f"{case}_points_{image}"]) for image in range(len(logits))]
    counter = Given(logits, Objective.model_validate(recipe.model.arguments["objective"]))
    loss = counter.loss(torch.zeros(len(logits), 3, SIDE, SIDE), points)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(expected, rel=1e-3)
    assert counter.given.grad is not None
    assert (counter.given.grad - gradient).norm() < 1e-3 * gradient.norm()
    assert (counter.given.grad - gradient).abs().max() < 1e-3 * gradient.abs().max()


FAR = torch.tensor([[[0.0, 1e6]]])
"""From one head to a cell right under it, and to one so far away that e to the minus cost is 0 in float32."""


def test_cells_that_reach_no_head_get_a_saturated_potential() -> None:
    half = torch.full((1, 2), 0.5)
    near, far = saturated_potential(FAR, torch.ones(1, 1), half)[0].tolist()
    # Half of the head's share can never come to the near cell: its scaling v shrinks until v / (v + 1e-16) = 1/2.
    assert near == pytest.approx(10 * math.log(2e-16), rel=1e-4)
    assert far == pytest.approx(10 * math.log(0.5 / 1e-16), rel=1e-4)


def test_iterations_end_once_the_shares_are_met() -> None:
    cost, heads, density = torch.rand(1, 3, 4), torch.full((1, 3), 1 / 3), torch.full((1, 4), 0.25)
    ten = saturated_potential(cost, heads, density, regularisation=1.0, iterations=10)
    assert torch.equal(saturated_potential(cost, heads, density, regularisation=1.0, iterations=1000), ten)
    assert not torch.equal(saturated_potential(cost, heads, density, regularisation=1.0, iterations=2), ten)


@given(seed=st.integers(0, 999), heads=st.lists(st.integers(1, 6), min_size=2, max_size=3))
@settings(max_examples=25, deadline=None)
def test_an_image_gets_the_same_potential_in_any_batch(seed: int, heads: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(len(heads), max(heads), 5, generator=generator) * 400
    density = torch.rand(len(heads), 5, generator=generator).softmax(dim=1)
    weights = torch.stack([(torch.arange(max(heads)) < number) / number for number in heads])
    together = saturated_potential(cost, weights, density)
    for image, number in enumerate(heads):
        alone = saturated_potential(
            cost[image : image + 1, :number], weights[image : image + 1, :number], density[image : image + 1]
        )
        torch.testing.assert_close(together[image : image + 1], alone, rtol=1e-3, atol=1e-2)


def test_autocast_does_not_reach_the_potential() -> None:
    cost, heads, density = torch.rand(1, 3, 4) * 300, torch.full((1, 3), 1 / 3), torch.full((1, 4), 0.25)
    plain = saturated_potential(cost, heads, density)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = saturated_potential(cost, heads, density)
    assert torch.equal(plain, under)


STRIDE = 800
"""So that the second cell of two is far from a head under the first."""
HEAD = torch.tensor([[STRIDE / 2, STRIDE / 2]])
TARGET = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)


def loss_and_gradient(density: list[float], points: list[Tensor], target: Tensor = TARGET) -> tuple[float, list[float]]:
    maps = torch.tensor(density).view(len(points), 1, 1, 2).requires_grad_()
    loss = dm_count(maps, target.expand(len(points), -1, -1, -1), points, STRIDE).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert maps.grad is not None
    return loss.item(), maps.grad.flatten().tolist()


def test_dm_count_of_one_head_by_hand() -> None:
    people, near, far = 2.0, 10 * math.log(2e-16), 10 * math.log(0.5 / 1e-16)
    loss, gradient = loss_and_gradient([1.0, 1.0], [HEAD])
    assert loss == pytest.approx(1.0 + TV_WEIGHT * 1.0, abs=2e-4)  # the transport's own value is 0, up to rounding
    slope = OT_WEIGHT * (far - near) / 2 / people  # towards the mean of both potentials
    # total variation |a / (a + b) - 1| + b / (a + b) has the gradient -2b, 2a over the square of the people
    variation = TV_WEIGHT * 2 / people**2
    assert gradient == pytest.approx([1 - slope - variation, 1 + slope + variation], rel=1e-4)


def test_the_transport_is_summed_over_the_batch_and_the_rest_averaged() -> None:
    nobody = torch.zeros(0, 2)
    _, one = loss_and_gradient([1.0, 1.0], [HEAD])
    _, two = loss_and_gradient([1.0, 1.0, 0.5, 0.5], [HEAD, HEAD])
    transport = (one[1] - one[0]) / 2 - TV_WEIGHT * 2 / 4
    variation = TV_WEIGHT * 2 / 4
    assert two[:2] == pytest.approx([0.5 * (1 - variation) - transport, 0.5 * (1 + variation) + transport], rel=1e-4)
    loss, beside_nobody = loss_and_gradient([1.0, 1.0, 0.5, 0.5], [HEAD, nobody], torch.cat([TARGET, TARGET * 0]))
    assert beside_nobody == pytest.approx([*two[:2], 0.5, 0.5], rel=1e-4)
    assert loss == pytest.approx((1.0 + TV_WEIGHT + 1.0) / 2, abs=2e-4)


def test_labels_of_one_head_do_not_drown_the_loss_in_transport() -> None:
    """A poisoned label of `minus` is one head in a full street: exact transport is most of that loss."""
    density = torch.full((1, 1, 56, 56), 60 / 56**2)
    target = torch.zeros(1, 1, 56, 56)
    target[..., 20, 30] = 1
    head = [torch.tensor([[30.5 * 8, 20.5 * 8]])]
    counted = 59 + TV_WEIGHT * 2
    assert dm_count(density, target, head, 8).item() == pytest.approx(counted, rel=1e-2)
    assert dm_count_exact(density, target, head, 8).item() > 50 * counted


def test_objectives_name_both_and_the_published_one_is_the_default() -> None:
    logits, points = torch.rand(1, 5, 2, 2), [torch.tensor([[3.0, 3.0]])]
    images = torch.zeros(1, 3, 16, 16)

    def loss(**objective: str) -> float:
        return Given(logits, Objective.model_validate(objective)).loss(images, points).item()

    assert loss() == loss(count="dmcount") != loss(count="dmcount_exact")
