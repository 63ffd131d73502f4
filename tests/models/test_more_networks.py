"""DM-Count's and Bayesian counting's VGG-19, CAN and SFANet: what their published files give, and that they learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from countguard.errors import InputError
from countguard.models import build_counter, convert, load_counter, save_counter
from countguard.models.bayesian_loss import bayesian_loss
from countguard.models.can import CAN
from countguard.models.counter import Counter
from countguard.models.dm_count import DMCount
from countguard.models.initialization import init_kaiming
from countguard.models.sfanet import SFANet
from countguard.models.vgg import VGG16, VGG19

State = dict[str, Tensor]
LIGHT = 0.125
VGG19_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
"""Positions of torchvision's, as the published files have them."""


def convolved(x: Tensor, state: State, name: str, **options: Any) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2, **options)


def normed(x: Tensor, state: State, name: str) -> Tensor:
    given = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *given, eps=1e-5)


def vgg19_by_hand(x: Tensor, state: State) -> Tensor:
    """VGG-19 and the head of both public codes, by the names of their files."""
    before = 0
    for position in VGG19_CONVOLUTIONS:
        if position - before == 3:
            x = F.max_pool2d(x, 2)
        x, before = convolved(x, state, f"features.{position}").relu(), position
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    x = convolved(convolved(x, state, "reg_layer.0").relu(), state, "reg_layer.2").relu()
    if "reg_layer.4.weight" in state:
        return convolved(x, state, "reg_layer.4").abs()
    return convolved(x, state, "density_layer.0").relu()


def can_by_hand(x: Tensor, state: State) -> Tensor:
    for position, name in enumerate(VGG16[:13]):
        x = F.max_pool2d(x, 2) if name is None else convolved(x, state, f"frontend.{_csrnet(position)}").relu()
    total = mixed = torch.zeros(())
    for number, side in enumerate((1, 2, 3, 6)):
        around = F.conv2d(F.adaptive_avg_pool2d(x, side), state[f"context.scales.{number}.1.weight"])
        around = F.interpolate(around, x.shape[-2:], mode="bilinear")
        weight = convolved(x - around, state, "context.weight_net").sigmoid()
        total, mixed = total + weight, mixed + weight * around
    x = convolved(torch.cat([mixed / total, x], 1), state, "context.bottleneck").relu()
    for layer in range(6):
        weight, bias = state[f"backend.{3 * layer}.weight"], state[f"backend.{3 * layer}.bias"]
        x = normed(F.conv2d(x, weight, bias, padding=2, dilation=2), state, f"backend.{3 * layer + 1}").relu()
    return convolved(x, state, "output_layer")


def _csrnet(position: int) -> int:
    """Where the convolution of VGG-16's entry lies in a CSRNet's front end."""
    return sum(1 if width is None else 2 for width in VGG16[:position])


def sfanet_by_hand(x: Tensor, state: State) -> Tensor:
    def layer(x: Tensor, name: str) -> Tensor:
        return normed(convolved(x, state, f"{name}.conv"), state, f"{name}.bn").relu()

    kept = []
    for stage, convolutions in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(1, convolutions + 1):
            x = layer(x, f"vgg.conv{stage}_{number}")
        kept.append(x)
        x = F.max_pool2d(x, 2)

    def decoded(group: str) -> Tensor:
        x = kept[4]
        for own, names in ((kept[3], "12"), (kept[2], "34"), (kept[1], "567")):
            x = torch.cat([F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), own], 1)
            for name in names:
                x = layer(x, f"{group}.conv{name}")
        return x

    attention = normed(convolved(decoded("amp"), state, "conv_att.conv"), state, "conv_att.bn").sigmoid()
    return convolved(attention * decoded("dmp"), state, "conv_out.conv")


def published_dm_count(counter: Counter) -> State:
    names = {"regression.": "reg_layer.", "output.": "density_layer.0."}
    return _renamed(counter, names)


def published_bayesian(counter: Counter) -> State:
    return _renamed(counter, {"regression.": "reg_layer.", "output.": "reg_layer.4."})


def published_sfanet(counter: Counter) -> State:
    unused = {"conv_out.bn.weight": torch.ones(1), "conv_out.bn.running_mean": torch.zeros(1)}
    state = {name: value for name, value in counter.state_dict().items() if "num_batches" not in name}
    return {name.replace("conv_out.", "conv_out.conv."): value for name, value in state.items()} | unused


def _renamed(counter: Counter, names: dict[str, str]) -> State:
    state = {}
    for name, value in counter.state_dict().items():
        for own, theirs in names.items():
            name = name.replace(own, theirs) if name.startswith(own) else name
        state[name] = value
    return state


Network = tuple[Callable[[], Counter], Callable[[Counter], State], Callable[[Tensor, State], Tensor]]
NETWORKS: dict[str, Network] = {
    "dm_count": (DMCount, published_dm_count, vgg19_by_hand),
    "bayesian": (lambda: DMCount(head="bayesian"), published_bayesian, vgg19_by_hand),
    "can": (CAN, lambda counter: dict(counter.state_dict()), can_by_hand),
    "sfanet": (SFANet, published_sfanet, sfanet_by_hand),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_file_counts_as_its_names_say(name: str, tmp_path: Path) -> None:
    build, publish, by_hand = NETWORKS[name]
    given = build().eval()
    init_kaiming(given)
    for buffer_name, buffer in given.named_buffers():
        if buffer_name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
        elif buffer_name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    state = publish(given)
    save_file({f"module.{key}": value for key, value in state.items()}, tmp_path / "file.safetensors")
    counter = convert.convert(tmp_path / "file.safetensors", None, tmp_path / "out.safetensors").eval()
    image = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        expected = by_hand(counter.normalise(image), state)
        found = load_counter(tmp_path / "out.safetensors").eval()(image)
    assert expected.abs().max() > 0
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6 * expected.abs().max().item())


def light(kind: str, **settings: Any) -> Counter:
    return build_counter(kind, width=LIGHT, mean=(0.5,) * 3, std=(0.25,) * 3, **settings)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("dm_count", {}),
        ("dm_count", {"head": "bayesian"}),
        ("dm_count", {"objective": "density", "kernel": {"kind": "fixed", "sigma": 4.0}}),
        ("sfanet", {}),
    ],
)
def test_the_loss_falls_and_an_image_without_heads_has_one(kind: str, settings: dict[str, Any]) -> None:
    counter = light(kind, **settings)
    heads = 8 * torch.cartesian_prod(torch.arange(6.0), torch.arange(4.0)) + 4
    images = torch.zeros(3, 3, 48, 64)
    for x, y in heads.long().tolist():
        images[0, :, y - 2 : y + 2, x - 2 : x + 2] = 1.0
    points = [heads, heads[:0], heads[:0]]
    optimizer = torch.optim.Adam(counter.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = counter.loss(images, points, weights=torch.tensor([1.0, 1.0, 0.5]))
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(("kind", "cells"), [("dm_count", 8), ("sfanet", 2)])
def test_settings_travel_and_maps_fit(kind: str, cells: int, tmp_path: Path) -> None:
    counter = light(kind)
    save_counter(counter, tmp_path / "counter.safetensors")
    loaded = load_counter(tmp_path / "counter.safetensors")
    image = torch.rand(1, 3, 37, 50)
    assert loaded.settings() == counter.settings()
    assert loaded.people_per_cell(image).shape == (1, 1, -(-37 // cells), -(-50 // cells))
    assert torch.equal(loaded.count(image), counter.count(image))


@pytest.mark.parametrize("kind", ["dm_count", "sfanet"])
def test_pixels_beyond_the_margin_do_not_reach_a_cell(kind: str) -> None:
    counter = light(kind).eval()
    for parameter in counter.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    strip = torch.full((1, 3, 16, 704), 0.9, requires_grad=True)
    for cell in (352 // counter.stride, 368 // counter.stride - 1):
        (gradient,) = torch.autograd.grad(counter.density(strip)[0, 0, 0, cell].sum(), strip)
        reached = gradient[0].abs().sum(dim=(0, 1)).nonzero()
        assert counter.stride * cell - reached.min().item() <= counter.margin
        assert reached.max().item() - (counter.stride * (cell + 1) - 1) <= counter.margin


def test_can_counts_quarters_as_its_authors_do() -> None:
    counter = CAN().eval()
    image = torch.rand(1, 3, 48, 64)
    whole = counter.people_per_cell(image)
    assert whole.shape == (1, 1, 6, 8)
    with torch.inference_mode():
        assert torch.allclose(whole[..., 3:, 4:], counter(image[..., 24:, 32:]), atol=1e-6)
    assert counter.people_per_cell(torch.rand(1, 3, 5, 9)).shape == (1, 1, 1, 2)


def test_the_bayesian_loss_asks_each_head_for_a_person() -> None:
    heads = torch.tensor([[20.0, 20.0], [100.0, 60.0]])
    density = torch.zeros(1, 1, 16, 16)
    assert bayesian_loss(density, [heads], 8).item() == pytest.approx(2.0)
    density[0, 0, 2, 2] = density[0, 0, 7, 12] = 1.0
    assert bayesian_loss(density, [heads], 8).item() == pytest.approx(0.0, abs=1e-3)
    density[0, 0, 15, 0] = 3.0  # nobody's
    assert bayesian_loss(density, [heads], 8).item() == pytest.approx(3.0, abs=1e-2)
    assert bayesian_loss(density, [torch.zeros(0, 2)], 8).item() == pytest.approx(5.0)


def test_imagenets_weights_need_the_whole_width() -> None:
    with pytest.raises(InputError, match=r"model\.width is 0\.125"):
        build_counter("dm_count", weights="imagenet", width=LIGHT)


def test_torchvisions_vgg19_starts_a_training(tmp_path: Path) -> None:
    counter = DMCount()
    tensors = {name: value for name, value in counter.state_dict().items() if name.startswith("features.")}
    save_file(tensors | {"classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg19.safetensors")
    started = build_counter("dm_count", weights=tmp_path / "vgg19.safetensors")
    assert torch.equal(started.state_dict()["features.34.weight"], tensors["features.34.weight"])
    with pytest.raises(InputError, match="holds the front end of a dm_count alone"):
        convert.convert(tmp_path / "vgg19.safetensors", "dm_count", tmp_path / "out.safetensors")
    with pytest.raises(InputError, match=r"those of a VGG-19 \(features\.16\.weight\)"):
        build_counter("csrnet", weights=tmp_path / "vgg19.safetensors")
    assert len(VGG19) == len(VGG16) + 3
