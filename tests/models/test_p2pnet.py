from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from countguard.attacks.blend import Blend
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.explain.grad_cam import grad_cam
from countguard.models import build_counter, convert, load_counter, save_counter
from countguard.models.p2pnet import P2PNet, own_name, scores_of, vgg_name
from countguard.models.point_losses import guidance_loss, match, matching_loss
from countguard.runs.predictions import predict

LIGHT: dict[str, Any] = {"width": 0.125, "mean": (0.5,) * 3, "std": (0.25,) * 3}


def light(**more: Any) -> P2PNet:
    counter = build_counter("p2pnet", **LIGHT, **more)
    assert isinstance(counter, P2PNet)
    return counter


def test_the_published_size() -> None:
    with torch.device("meta"):
        counter = P2PNet()
    unused = 6 * (256 * 256 * 9 + 256) + 256 * 256 + 256  # layers that its code makes: P5_2, P3_1, P3_2, conv3, conv4
    assert sum(value.numel() for value in counter.parameters()) + unused == 21_579_344


def published_by_hand(image: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Logits [n, 2] and points [n, 2] in the order of the published code: cell by cell, four anchors each."""

    def convolved(x: Tensor, name: str) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def normed(x: Tensor, name: str) -> Tensor:
        return F.batch_norm(x, *(state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))

    x, kept = image, []
    for body, layers in enumerate(((0, 3, None, 7, 10), (None, 1, 4, 7), (None, 1, 4, 7), (None, 1, 4, 7)), 1):
        for place in layers:
            if place is None:
                x = F.max_pool2d(x, 2)
            else:
                x = normed(convolved(x, f"backbone.body{body}.{place}"), f"backbone.body{body}.{place + 1}").relu()
        kept.append(x)
    above = F.interpolate(convolved(kept[3], "fpn.P5_1"), scale_factor=2)
    features = convolved(above + convolved(kept[2], "fpn.P4_1"), "fpn.P4_2")

    def branch(name: str) -> Tensor:
        x = convolved(convolved(features, f"{name}.conv1").relu(), f"{name}.conv2").relu()
        return convolved(x, f"{name}.output").permute(0, 2, 3, 1).reshape(-1, 2)

    rows, columns = features.shape[-2:]
    cells = [(column * 8 + 4, row * 8 + 4) for row in range(rows) for column in range(columns)]
    anchors = torch.tensor([[x + dx, y + dy] for x, y in cells for dy in (-2.0, 2.0) for dx in (-2.0, 2.0)])
    return branch("classification"), anchors + 100 * branch("regression")


def test_a_published_file_finds_the_same_heads(tmp_path: Path) -> None:
    counter = light().eval()
    for name, buffer in counter.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    torch.nn.init.normal_(counter.classification.output.weight, std=0.3)
    torch.nn.init.zeros_(counter.classification.output.bias)  # type: ignore[arg-type]
    state = dict(counter.state_dict())
    unused = {"fpn.P5_2.bias": torch.zeros(1), "fpn.P3_1.bias": torch.zeros(1), "regression.conv4.bias": torch.zeros(1)}
    save_file({**state, **unused}, tmp_path / "file.safetensors")
    converted = convert.convert(
        tmp_path / "file.safetensors", None, tmp_path / "out.safetensors", width=0.125, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    image = torch.rand(1, 3, 48, 64)
    with torch.inference_mode():
        logits, points = published_by_hand(converted.normalise(image), state)
    expected = points[logits.softmax(dim=1)[:, 1] > 0.5]
    (heads,) = converted.heads(image) or []
    assert 5 < len(expected) < 180
    inside = expected.clamp_min(0).minimum(torch.tensor([64.0, 48.0]))
    assert len(heads) == len(expected)
    assert torch.allclose(heads[heads.sum(1).sort().indices], inside[inside.sum(1).sort().indices], atol=1e-3)


def test_heads_are_as_many_as_are_counted_in_tiles_too() -> None:
    counter = light().eval()
    torch.nn.init.normal_(counter.classification.output.weight, std=0.3)
    image = torch.rand(2, 3, 98, 330)  # the last cells lie past the image by more than an anchor
    whole = counter.heads(image)
    counts = counter.count(image)
    assert whole is not None
    assert [len(heads) for heads in whole] == counts.tolist()
    assert counts.min() > 5
    assert all((heads >= 0).all() and (heads <= torch.tensor([330.0, 98.0])).all() for heads in whole)
    counter.margin, counter.tile = 144, 320
    tiled = counter.heads(image)
    assert tiled is not None
    assert [len(heads) for heads in tiled] == counter.count(image).tolist()
    assert counter.count(image).tolist() == pytest.approx(counts.tolist(), rel=0.05)


def test_the_density_is_whole_people_with_the_scores_gradient() -> None:
    counter = light().eval()
    torch.nn.init.normal_(counter.classification.output.weight, std=0.3)
    normalised = counter.normalise(torch.rand(1, 3, 32, 48))
    density = counter.density(normalised)
    assert torch.allclose(density, density.round(), atol=1e-5)
    (hard,) = torch.autograd.grad(density.sum(), counter.classification.output.weight)  # type: ignore[arg-type]
    soft = scores_of(counter.fields(normalised)).sum()
    (expected,) = torch.autograd.grad(soft, counter.classification.output.weight)  # type: ignore[arg-type]
    assert torch.allclose(hard, expected, atol=1e-5)


def cheapest(cost: np.ndarray) -> float:
    rows, columns = cost.shape
    if rows < columns:
        cost, rows, columns = cost.T, columns, rows
    return min(
        sum(cost[row, column] for column, row in enumerate(chosen)) for chosen in permutations(range(rows), columns)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_the_matching_is_the_cheapest(anchors: int, heads: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits, located = torch.randn(2, anchors, generator=generator), torch.rand(2, anchors, generator=generator) * 30
    points = torch.rand(heads, 2, generator=generator) * 30
    chosen, matched = match(logits, located, points, 0.05)
    cost = 0.05 * torch.cdist(located.T, points) - logits.softmax(0)[1][:, None]
    assert len(chosen) == min(anchors, heads)
    assert cost[chosen, matched].sum().item() == pytest.approx(cheapest(cost.numpy()), abs=1e-5)


def test_the_loss_is_the_papers_and_its_mean_adds_over_the_batch() -> None:
    torch.manual_seed(1)
    fields = torch.randn(2, 4, 4, 6)
    points = [torch.rand(3, 2) * 16, torch.zeros(0, 2)]
    parts = matching_loss(fields, points, 4.0, point_weight=0.1, background_weight=0.5, distance_cost=0.05)
    rows, columns = torch.meshgrid(torch.arange(4) * 4.0 + 2, torch.arange(6) * 4.0 + 2, indexing="ij")
    located = torch.stack([columns, rows]).flatten(1) + fields[0, 2:].flatten(1)
    chosen, matched = match(fields[0, :2].flatten(1), located, points[0], 0.05)
    classes = torch.zeros(2, 24, dtype=torch.int64)
    classes[0, chosen] = 1
    entropy = F.cross_entropy(fields[:, :2].flatten(2), classes, weight=torch.tensor([0.5, 1.0]))
    distance = (located[:, chosen].T - points[0][matched]).square().sum() / 3
    assert parts.mean().item() == pytest.approx((entropy + 0.1 * distance).item(), rel=1e-5)


def test_guidance_asks_near_points_to_be_heads_and_farther_ones_not() -> None:
    heads = torch.tensor([[18.0, 18.0], [58.0, 18.0]])  # each on an anchor
    right = torch.zeros(1, 4, 10, 20)
    right[:, 0], right[:, 1] = 10.0, -10.0
    right[0, :2, 4, [4, 14]] = torch.tensor([[-10.0], [10.0]])
    wrong = torch.cat([right[:, :2].flip(1), right[:, 2:]], dim=1)
    good, bad = (guidance_loss(field, [heads], 4.0, 2e-4).item() for field in (right, wrong))
    assert good < bad
    assert guidance_loss(right, [torch.zeros(0, 2)], 4.0, 2e-4).item() == 0


@pytest.mark.parametrize("guidance", [0.0, 0.2])
def test_it_learns_heads_within_a_few_steps(guidance: float) -> None:
    crowds = Synthetic(train=8, test=1, seed=77).crowds("train")
    images, points = torch.stack([crowd.image for crowd in crowds]), [crowd.points for crowd in crowds]
    counter = light(guidance=guidance)
    optimizer = torch.optim.Adam(counter.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(counter.loss(images, points))
        optimizer.step()
    counter.train()
    with torch.no_grad():
        people = counter(images).sum(dim=(1, 2, 3))
    truths = torch.tensor([float(len(heads)) for heads in points])
    assert (people - truths).abs().mean() < 0.35 * truths.mean()


def test_images_without_heads_and_more_heads_than_anchors_train() -> None:
    counter = light()
    images = torch.rand(3, 3, 16, 16)
    loss = counter.loss(images, [torch.zeros(0, 2), torch.rand(100, 2) * 16, torch.rand(1, 2)], weights=torch.ones(3))
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert counter.loss(images, [torch.zeros(0, 2)] * 3) > 0


def test_studies_explain_it_and_measure_its_points(tmp_path: Path) -> None:
    crowds = Synthetic(train=4, test=1, seed=77).crowds("train")
    counter = light(threshold=0.05)
    predictions = predict(counter, crowds, Blend(), None, 0)
    assert predictions.located is not None
    assert predictions.located.found.tolist() == predictions.clean.tolist()
    assert grad_cam(counter, crowds[0].image).shape == crowds[0].image.shape[-2:]
    save_counter(counter, tmp_path / "counter.safetensors")
    again = load_counter(tmp_path / "counter.safetensors")
    assert again.settings() == counter.settings()
    assert predict(build_counter("lite"), crowds, Blend(), None, 0).located is None


def test_names_of_public_weights() -> None:
    assert own_name("regression.conv3.weight") is None
    assert own_name("regression.conv2.weight") == "regression.conv2.weight"
    assert vgg_name("features.41.running_var") == "backbone.body4.8.running_var"
    assert vgg_name("features.43.weight") is None
    with torch.device("meta"):
        held = set(P2PNet().state_dict())
    names = {vgg_name(f"features.{place}.weight") for place in range(43)}  # whatever torchvision has there
    assert {name for name in held if name.startswith("backbone.") and name.endswith(".weight")} <= names
    with pytest.raises(InputError, match=r"model\.width is 0\.125"):
        build_counter("p2pnet", weights="imagenet", width=0.125)
