"""A counter that was made ready for inference counts the same, and trains, saves and explains as before."""

import copy
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.images import read_image
from countguard.models import Counter, build_counter, load_counter, save_counter, wrap
from countguard.models.inference import PooledConvolution, as_trained, for_inference, pools

SHARED = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[3] / "shared"))


def images(batch: int = 2, height: int = 64, width: int = 80) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def random(kind: str) -> Counter:
    torch.manual_seed(0)
    return build_counter(kind)


def test_the_log_says_what_is_faster(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "countguard"):
        for_inference(random("mcnn"))
        for_inference(random("csrnet"))
        for_inference(random("lite"))
    assert caplog.messages == [
        "counting on the CPU: 0 convolutions by Winograd's way, 3 in one with their pooling",
        "counting on the CPU: 12 convolutions by Winograd's way, 0 in one with their pooling",
    ]


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 2),
    height=st.integers(2, 30),
    width=st.integers(2, 30),
    channels=st.integers(1, 4),
    side=st.sampled_from([5, 7, 9]),
    bias=st.booleans(),
)
def test_a_pooled_convolution_is_its_three_layers(
    batch: int, height: int, width: int, channels: int, side: int, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, 6, side, padding=side // 2, bias=bias)
    pictures = torch.randn(batch, channels, height, width)
    with torch.inference_mode():
        found = PooledConvolution(layer)(pictures)
        torch.testing.assert_close(found, functional.max_pool2d(layer(pictures).relu(), 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("other", [nn.AvgPool2d(2), nn.MaxPool2d(3), nn.MaxPool2d(2, padding=1), nn.MaxPool2d(2, 1)])
def test_other_poolings_are_left_alone(other: nn.Module) -> None:
    layer = nn.Conv2d(1, 8, 5, padding=2)
    assert pools([layer, nn.ReLU(), nn.MaxPool2d(2)])
    assert not pools([layer, nn.ReLU(), other])
    assert not pools([nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2)])
    assert not pools([layer, nn.ReLU()])


@pytest.mark.parametrize(("kind", "side"), [("mcnn", 80), ("csrnet", 256), ("lite", 80)])
def test_counts_agree(kind: str, side: int) -> None:
    plain = random(kind)
    fast = for_inference(copy.deepcopy(plain))
    pictures = images(1, side, side + 9)
    torch.testing.assert_close(fast.count(pictures), plain.count(pictures), rtol=1e-4, atol=1e-4)


def test_layers_can_work_as_in_training_for_a_while() -> None:
    plain = random("mcnn")
    fast = for_inference(copy.deepcopy(plain))
    with as_trained(fast):
        assert torch.equal(fast.count(images()), plain.count(images()))
    assert not torch.equal(fast.people_per_cell(images()), plain.people_per_cell(images()))


def test_large_pictures_are_counted_in_tiles() -> None:
    plain = random("mcnn")
    fast = for_inference(copy.deepcopy(plain))
    plain.tile = fast.tile = 160
    pictures = images(1, 300, 420)
    torch.testing.assert_close(fast.people_per_cell(pictures), plain.people_per_cell(pictures), rtol=1e-4, atol=1e-5)


def test_training_and_saving_are_as_before(tmp_path: Path) -> None:
    plain = random("mcnn")
    fast = for_inference(copy.deepcopy(plain))
    points = [torch.rand(3, 2) * 60 for _ in range(2)]
    losses = [counter.train().loss(images(), points) for counter in (plain, fast)]
    assert torch.equal(*losses)
    for loss in losses:
        loss.backward()
    for one, other in zip(plain.parameters(), fast.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    fast.count(images())
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.mul_(0.9)
    save_counter(fast, tmp_path / "counter.safetensors")
    loaded = load_counter(tmp_path / "counter.safetensors")
    torch.testing.assert_close(fast.count(images()), loaded.count(images()), rtol=1e-4, atol=1e-4)


def test_hooks_outside_of_inference_hear_every_layer() -> None:
    counter = for_inference(random("mcnn"))
    heard: list[torch.Size] = []
    counter.get_submodule("columns.0.1").register_forward_hook(lambda layer, given, output: heard.append(output.shape))
    counter(images())
    assert heard == [torch.Size([2, 16, 64, 80])]


def test_a_sequence_with_a_forward_of_its_own_keeps_it() -> None:
    class Own(nn.Sequential):
        def forward(self, features: Tensor) -> Tensor:
            twice: Tensor = 2 * super().forward(features)
            return twice

    torch.manual_seed(0)
    network = Own(nn.Conv2d(3, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 1, 1))
    plain = wrap(network, stride=2)
    fast = for_inference(copy.deepcopy(plain))
    assert torch.equal(fast.count(images()), plain.count(images()))


@pytest.mark.parametrize(("kind", "name"), [("mcnn", "mcnn_part_b"), ("csrnet", "csrnet_part_a_fp16")])
def test_counts_of_real_crowds_agree(kind: str, name: str) -> None:
    weights, folder = SHARED / f"weights/{name}.safetensors", SHARED / "data/shanghaitech/part_B/train_data/images"
    if not (weights.exists() and folder.exists()):
        pytest.skip("the shared folder with ShanghaiTech and trained weights is absent")
    counter = build_counter(kind, weights=weights)
    picture = read_image(folder / "IMG_1.jpg")[None, :, -320:, :384]
    before = counter.count(picture).item()
    assert for_inference(counter).count(picture).item() == pytest.approx(before, rel=1e-4)
