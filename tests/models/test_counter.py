import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from countguard.data.kernels import Dots, Fixed
from countguard.models import COUNTERS, Counter, build_counter, wrap
from countguard.models.blockwise import BlockwiseCounter

LIGHT = ["lite", "mcnn"]


class OneACell(nn.Module):
    """One person in each cell of 8 pixels, whatever is shown."""

    def forward(self, images: Tensor) -> Tensor:
        batch, _, height, width = images.shape
        return torch.ones(batch, 1, height // 8, width // 8)


@pytest.mark.parametrize("kind", LIGHT)
@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_size_gives_a_cell_for_each_stride_or_part_of_one(kind: str, height: int, width: int) -> None:
    counter = build_counter(kind)
    density = counter(torch.rand(2, 3, height, width))
    assert density.shape == (2, 1, math.ceil(height / counter.stride), math.ceil(width / counter.stride))
    assert torch.isfinite(density).all()


def test_padding_is_the_mean_colour_and_its_cells_do_not_count() -> None:
    counter = wrap(OneACell(), stride=8, align=64, mean=(0.2, 0.4, 0.6))
    images = torch.rand(1, 3, 20, 70)
    normalised = counter.normalise(images)
    assert normalised.shape == (1, 3, 64, 128)
    assert normalised[..., 20:, :].abs().sum() == 0
    assert normalised[..., 70:].abs().sum() == 0
    assert counter.count(images).item() == 3 * 9


@pytest.mark.parametrize("kind", LIGHT)
def test_loss_is_the_mean_over_the_batch(kind: str) -> None:
    counter = build_counter(kind).eval()  # in training, batch norm ties images together
    images = torch.rand(3, 3, 32, 48)
    points = [torch.rand(heads, 2) * torch.tensor([48.0, 32.0]) for heads in (0, 1, 9)]
    together = counter.loss(images, points)
    apart = [counter.loss(images[i : i + 1], points[i : i + 1]) for i in range(3)]
    assert together.item() == pytest.approx(torch.stack(apart).mean().item(), rel=1e-4)


def test_loss_by_hand_is_in_people_per_pixel_and_uses_each_images_own_kernel() -> None:
    counter = wrap(OneACell(), stride=8, kernel=Fixed(15.0))
    images = torch.rand(2, 3, 8, 16)
    points = [torch.tensor([[4.0, 4.0], [5.0, 5.0], [12.0, 2.0]]), torch.zeros(0, 2)]
    loss = counter.loss(images, points, kernels=[Dots(), None])
    assert loss.item() == pytest.approx((((1 - 2) ** 2 + 0) + (1 + 1)) / 2 / 64)


@pytest.mark.parametrize("kind", ["lite", "mcnn", "csrnet", "csrnet_ebc"])
def test_no_pixel_beyond_the_margin_reaches_a_cell(kind: str) -> None:
    counter = build_counter(kind).eval()
    for parameter in counter.parameters():
        nn.init.constant_(parameter, 0.05)  # all positive: nothing cancels, no ReLU hides a path
    if isinstance(counter, BlockwiseCounter):
        counter.get_parameter("output_layer.weight").data[0] = 0  # bins that agree give no gradient
    middle = 168 // counter.stride
    strip = torch.full((1, 3, 16, 344), 0.9, requires_grad=True)
    (gradient,) = torch.autograd.grad(counter(strip)[0, 0, 0, middle], strip)
    reached = gradient[0].abs().sum(dim=(0, 1)).nonzero()
    assert reached.min().item() >= middle * counter.stride - counter.margin
    assert reached.max().item() < (middle + 1) * counter.stride + counter.margin
    assert reached.min().item() <= middle * counter.stride - counter.margin + 16, "the margin wastes work"


@pytest.mark.parametrize(("kind", "size"), [("lite", (3, 200, 330)), ("mcnn", (3, 130, 207)), ("csrnet", (3, 48, 520))])
def test_tiles_count_what_the_whole_image_counts(kind: str, size: tuple[int, int, int]) -> None:
    counter = build_counter(kind)
    images = torch.rand(2, *size)
    whole = counter.count(images)
    counter.tile = 2 * counter.margin + 64
    assert max(size) > counter.tile
    assert counter.count(images).tolist() == pytest.approx(whole.tolist(), rel=1e-4)


def test_counting_leaves_each_layers_mode_as_it_was() -> None:
    counter = build_counter("lite").train()
    frozen = next(counter.children()).eval()
    counter.count(torch.rand(1, 3, 16, 16))
    assert counter.training
    assert not frozen.training


@pytest.mark.parametrize("kind", sorted(COUNTERS))
def test_explained_layer_belongs_to_the_counter(kind: str) -> None:
    with torch.device("meta"):
        counter: Counter = build_counter(kind)
    assert counter.explained_layer() in set(counter.modules())


@pytest.mark.parametrize("kind", LIGHT)
def test_a_few_steps_from_random_weights_learn(kind: str) -> None:
    counter = build_counter(kind, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    images = torch.full((4, 3, 32, 32), 0.3)
    points = [torch.rand(6, 2) * 6 + 8 for _ in range(4)]
    for index, heads in enumerate(points):
        for x, y in heads.long().tolist():
            images[index, :, y, x] = 1.0
    optimizer = torch.optim.Adam(counter.parameters(), lr=1e-3)
    before = counter.eval().loss(images, points).item()
    counter.train()
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(counter.loss(images, points))
        optimizer.step()
    assert counter.eval().loss(images, points).item() < 0.5 * before
    assert counter.count(images).min().item() > 0.5


def test_importing_the_models_imports_no_optional_package() -> None:
    heavy = ("open_clip", "timm", "torchvision", "lightning", "captum", "matplotlib", "pandas", "gradio")
    command = f"import sys, countguard.models; sys.exit(', '.join(set({heavy}) & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", command], check=True)


@pytest.mark.parametrize("kind", LIGHT)
def test_weights_multiply_each_images_part_of_the_loss(kind: str) -> None:
    counter = build_counter(kind).eval()
    images = torch.rand(2, 3, 32, 48)
    points = [torch.rand(heads, 2) * torch.tensor([48.0, 32.0]) for heads in (2, 9)]
    first, second = (counter.loss(images[i : i + 1], points[i : i + 1]).item() for i in range(2))
    weighted = counter.loss(images, points, weights=torch.tensor([0.5, 3.0]))
    assert weighted.item() == pytest.approx((0.5 * first + 3 * second) / 2, rel=1e-4)
