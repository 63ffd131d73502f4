import logging
from math import log

import pytest
import torch
from torch import Tensor, nn

from countguard.data.crowd import Crowd
from countguard.data.kernels import Dots, Fixed
from countguard.errors import InputError
from countguard.models import build_counter, load_counter, save_counter
from countguard.models.bins import Bins
from countguard.models.blockwise import BlockwiseCounter, Objective
from countguard.models.count_losses import dm_count_exact
from countguard.models.csrnet_ebc import CSRNetEBC


class Given(BlockwiseCounter):
    """The same logits for every image: 0, but for `given` at the first cell's bin of one head."""

    def __init__(self, given: float = 0.0, *, bins: Bins = Bins(), objective: Objective = Objective()) -> None:
        super().__init__(bins=bins, objective=objective)
        self.given = given

    def logits(self, normalised: Tensor) -> Tensor:
        batch, _, height, width = normalised.shape
        logits = torch.zeros(batch, self.bins.number, height // 8, width // 8)
        logits[:, 1, 0, 0] = self.given
        return logits

    def explained_layer(self) -> nn.Module:
        return self


BINS = Bins(truncation=2, values=(0.0, 1.0, 2.4))
IMAGES = torch.zeros(1, 3, 16, 16)
HEADS = torch.tensor([[3.0, 3.0], [12.0, 12.0], [12.0, 13.0], [13.0, 12.0]])  # cells hold 1, 0, 0 and 3


def test_density_is_the_mean_of_the_bins_values() -> None:
    density = Given(log(2), bins=BINS)(IMAGES)
    assert density.flatten().tolist() == pytest.approx([(2 * 1 + 2.4) / 4, 3.4 / 3, 3.4 / 3, 3.4 / 3])


@pytest.mark.parametrize(("count", "weight"), [("mae", 1.0), ("mse", 0.5), ("mae", 0.0)])
def test_loss_by_hand_on_two_by_two_cells(count: str, weight: float) -> None:
    objective = Objective.model_validate({"count": count, "count_weight": weight})
    entropy = -log(2 / 4) + 3 * -log(1 / 3)
    errors = [4.4 / 4 - 1, 3.4 / 3, 3.4 / 3, 3.4 / 3 - 3]
    expected = entropy + weight * sum(abs(error) if count == "mae" else error**2 for error in errors)
    counter = Given(log(2), bins=BINS, objective=objective)
    assert counter.loss(IMAGES, [HEADS]).item() == pytest.approx(expected, rel=1e-5)
    twice = counter.loss(IMAGES.expand(2, -1, -1, -1), [HEADS, HEADS])
    assert twice.item() == pytest.approx(expected, rel=1e-5)


def test_cells_in_the_padding_are_not_classified() -> None:
    counter = Given(objective=Objective(count_weight=0.0))
    counter.align = 64
    assert counter.loss(torch.zeros(1, 3, 16, 8), [HEADS[:0]]).item() == pytest.approx(2 * log(5))


def test_exact_dm_count_by_hand_with_one_head() -> None:
    density = torch.tensor([0.5, 0.25, 0.25, 1.0]).view(1, 1, 2, 2)
    target = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 2, 2)
    head = torch.tensor([[4.0, 4.0]])  # in the middle of the first cell; the others lie 8, 8 and 8 * sqrt(2) away
    transport = (0.25 * 64 + 0.25 * 64 + 1.0 * 128) / 2
    variation = (0.75 + 0.125 + 0.125 + 0.5) * 1
    expected = 1.0 + 0.1 * transport + 0.01 * variation
    assert dm_count_exact(density, target, [head], 8).item() == pytest.approx(expected, rel=1e-4)


def test_exact_dm_count_is_one_number_an_image_with_and_without_heads() -> None:
    density = torch.rand(3, 1, 3, 4)
    points = [torch.rand(5, 2) * 24, torch.zeros(0, 2), torch.rand(1, 2) * 24]
    target = Given().target(torch.zeros(3, 3, 24, 32), points, [Dots()] * 3)
    together = dm_count_exact(density, target, points, 8)
    apart = [dm_count_exact(density[i : i + 1], target[i : i + 1], points[i : i + 1], 8) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=1e-4, atol=0)
    assert apart[1].item() == pytest.approx(density[1].sum().item(), rel=1e-5)


def test_exact_dm_counts_gradient_moves_people_towards_the_head() -> None:
    density = torch.ones(1, 1, 1, 4, requires_grad=True)
    target = torch.tensor([4.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 4)
    (gradient,) = torch.autograd.grad(
        dm_count_exact(density, target, [torch.tensor([[4.0, 4.0]] * 4)], 8).sum(), density
    )
    assert gradient.flatten().tolist() == sorted(gradient.flatten().tolist())
    assert gradient.flatten()[0] < 0 < gradient.flatten()[-1]


def test_an_images_kernel_is_used_where_it_is_asked_for() -> None:
    dots = Given(objective=Objective(count="mse"))
    blurred = Given(objective=Objective(count="mse", targets="kernel"))
    head = [torch.tensor([[4.0, 4.0]])]
    same = dots.loss(IMAGES, head, kernels=[Fixed(15.0)])
    assert same.item() == dots.loss(IMAGES, head).item() == blurred.loss(IMAGES, head).item()
    assert blurred.loss(IMAGES, head, kernels=[Fixed(15.0)]).item() != same.item()


def test_bins_are_measured_once_and_travel_with_the_checkpoint(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"{tmp_path}/counter.safetensors"
    image = torch.zeros(3, 16, 16, dtype=torch.uint8)
    five = Crowd(image, torch.tensor([[x, 4.0] for x in (4.0, 5.0, 6.0, 7.0, 8.0)]), "five")
    seven = Crowd(image, torch.tensor([[x, y] for x in (4.0, 5.0, 6.0, 7.0) for y in (4.0, 5.0)]), "eight")
    counter = build_counter("csrnet_ebc")
    assert counter.settings()["bins"]["values"] is None
    counter.prepare([five])
    values = counter.settings()["bins"]["values"]
    assert values[:4] == [0.0, 1.0, 2.0, 3.0]
    assert 4 < values[4] < 5
    save_counter(counter, path)
    for moved in (load_counter(path), build_counter("csrnet_ebc", weights=path)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            moved.prepare([five])
            assert not caplog.messages
            moved.prepare([seven])
        assert "csrnet_ebc keeps its bins" in caplog.text
        assert moved.settings()["bins"]["values"] == values
        assert isinstance(moved, BlockwiseCounter)
        assert moved.people.tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    "bins", [{"truncation": 10**9}, {"values": [0, 1]}, {"values": [0, 1, 2, 3, 1e9]}, {"more": 1}]
)
def test_bins_from_strangers_are_bounded(bins: dict[str, object]) -> None:
    with pytest.raises(InputError, match="bins"):
        build_counter("csrnet_ebc", bins=bins)


def test_csrnet_ebc_starts_with_mostly_empty_cells_and_a_logit_a_bin() -> None:
    counter = CSRNetEBC(bins=Bins(truncation=3)).eval()
    logits = counter.logits(counter.normalise(torch.rand(1, 3, 20, 40)))
    assert logits.shape == (1, 4, 3, 5)
    assert counter.count(torch.rand(1, 3, 20, 40)).item() < 3 * 5 * 0.15
    assert "output_scale" not in counter.settings()


def test_csrnet_ebc_takes_a_csrnets_front_end(tmp_path: object) -> None:
    path = f"{tmp_path}/csrnet.safetensors"
    csrnet = build_counter("csrnet")
    save_counter(csrnet, path)
    counter = build_counter("csrnet_ebc", weights=f"{path}#frontend")
    assert torch.equal(counter.get_parameter("frontend.10.weight"), csrnet.get_parameter("frontend.10.weight"))
