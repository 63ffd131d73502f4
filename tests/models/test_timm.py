"""Any backbone of timm is a counter."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from countguard.errors import InputError
from countguard.explain.grad_cam import grad_cam
from countguard.models import build_counter, load_counter, save_counter, timm_weights
from countguard.models.checkpoint import KEY
from countguard.models.steps import run_steps
from countguard.models.timm_backbone import TimmCounter

timm = pytest.importorskip("timm")
SMALL = {"backbone": "resnet10t", "decoder": (8,)}


def small(**settings: Any) -> TimmCounter:
    counter = build_counter("timm", **{**SMALL, **settings})
    assert isinstance(counter, TimmCounter)
    return counter


@pytest.fixture(scope="module")
def lite0() -> TimmCounter:
    """With random weights. Tests change none of them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        counter = build_counter("timm").eval()
    assert isinstance(counter, TimmCounter)
    return counter


def test_the_default_keeps_of_its_backbone_what_it_needs(lite0: TimmCounter) -> None:
    assert lite0.features.strides == (8, 16)
    assert lite0.features.channels == (40, 112)
    assert [name for name, _ in lite0.backbone.named_children()][-1] == "blocks_4"
    assert sum(parameter.numel() for parameter in lite0.parameters()) == 950_049
    assert lite0.explained_layer() is lite0.decoder[2]
    assert lite0.settings()["mean"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("backbone", "stride", "strides", "align"),
    [
        ("resnet10t", 8, (8, 16), 16),
        ("resnet10t", 16, (16, 32), 32),
        ("mobilenetv3_small_050", 16, (16, 32), 32),
        ("convnext_atto", 8, (8, 16), 16),
        ("hrnet_w18_small", 8, (8, 16), 16),
        ("vit_tiny_patch16_224", 8, (16,), 16),
        ("vit_tiny_patch16_224", 16, (16,), 16),
        ("swin_tiny_patch4_window7_224", 16, (16, 32), 32),
    ],
)
def test_backbones_of_every_family_give_a_map_of_any_picture(
    backbone: str, stride: int, strides: tuple[int, ...], align: int
) -> None:
    with torch.device("meta"):
        counter = small(backbone=backbone, stride=stride)
        assert counter.features.strides == strides
        assert counter.align == align
        assert counter(torch.empty(2, 3, 50, 90)).shape == (2, 1, -(-50 // stride), -(-90 // stride))


@pytest.mark.parametrize("backbone", ["resnet10t", "tf_efficientnet_lite0", "vgg11"])
def test_no_pixel_beyond_the_margin_reaches_a_cell(backbone: str) -> None:
    counter = small(backbone=backbone).eval()
    for parameter in counter.parameters():
        nn.init.constant_(parameter, 0.05)  # all positive: nothing cancels, no ReLU hides a path
    middle = counter.margin // counter.stride + 2
    strip = torch.full((1, 3, 16, 2 * (middle + 1) * counter.stride), 0.9, requires_grad=True)
    (gradient,) = torch.autograd.grad(counter(strip)[0, 0, 0, middle], strip)
    reached = gradient[0].abs().sum(dim=(0, 1)).nonzero()
    assert reached.min().item() >= middle * counter.stride - counter.margin
    assert reached.max().item() < (middle + 1) * counter.stride + counter.margin


def test_a_tile_is_never_all_margin() -> None:
    with torch.device("meta"):
        counter = small(backbone="hrnet_w18_small")
    assert counter.features.radius > 512
    assert counter.tile - 2 * counter.margin >= 512


def test_tiles_count_what_the_whole_image_counts() -> None:
    counter = small().eval()
    images = torch.rand(1, 3, 40, 2 * counter.margin + 300)
    whole = counter.count(images)
    counter.tile = 2 * (-(-counter.margin // 16) * 16) + 64
    assert max(images.shape) > counter.tile
    assert counter.count(images).item() == pytest.approx(whole.item(), rel=1e-4)


@pytest.mark.parametrize("backbone", ["resnet10t", "vit_tiny_patch16_224"])
def test_the_steps_are_the_network(backbone: str) -> None:
    counter = small(backbone=backbone).eval()
    normalised = counter.normalise(torch.rand(1, 3, 32, 48))
    steps = counter.steps()
    for name in (step.name for step in steps):
        counter.get_submodule(name)
    for place in range(1, len(steps)):
        state = run_steps(steps[:place], (normalised,))
        torch.testing.assert_close(run_steps(steps[place:], state), (counter.density(normalised),))


def test_a_few_steps_from_random_weights_learn() -> None:
    counter = small()
    images = torch.full((4, 3, 32, 32), 0.3)
    points = [torch.rand(6, 2) * 6 + 8 for _ in range(4)]
    for index, heads in enumerate(points):
        for x, y in heads.long().tolist():
            images[index, :, y, x] = 1.0
    optimizer = torch.optim.Adam(counter.parameters(), lr=1e-3)
    before = counter.loss(images, points).item()
    for _ in range(30):
        optimizer.zero_grad()
        torch.autograd.backward(counter.loss(images, points))
        optimizer.step()
    assert counter.loss(images, points).item() < 0.5 * before


def test_grad_cam_reads_the_decoder() -> None:
    cam = grad_cam(small().eval(), torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8))
    assert cam.shape == (40, 56)


def test_a_counter_comes_back_as_it_was(tmp_path: Path) -> None:
    counter = small(stride=16, mean=(0.1, 0.2, 0.3))
    save_counter(counter, tmp_path / "timm.safetensors")
    loaded = load_counter(tmp_path / "timm.safetensors")
    assert loaded.settings() == counter.settings()
    images = torch.rand(1, 3, 33, 47)
    assert torch.equal(loaded.count(images), counter.count(images))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"backbone": "hf-hub:somebody/network"}, "backbone"),
        ({"backbone": "local-dir:/tmp"}, "backbone"),
        ({"backbone": "../../resnet18"}, "backbone"),
        ({"backbone": "https://example.org/x"}, "backbone"),
        ({"backbone": "resnet_of_nobody"}, "has no 'resnet_of_nobody'"),
        ({"backbone": "resnet10t.of_nobody"}, "knows no weights 'of_nobody'"),
        ({"backbone": "vit_small_patch14_dinov2"}, "14"),
        ({"stride": 4}, "stride"),
        ({"decoder": []}, "decoder"),
        ({"decoder": [1 << 30]}, "decoder"),
        ({"pretrained": True}, "pretrained"),
    ],
)
def test_settings_of_strangers_are_checked(settings: dict[str, Any], expected: str, tmp_path: Path) -> None:
    path = tmp_path / "stranger.safetensors"
    save_counter(small(), path)
    header = {"kind": "timm", "settings": {**SMALL, **settings}}
    save_file(load_file(path), path, metadata={KEY: json.dumps(header)})
    with pytest.raises(InputError) as caught:
        load_counter(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_larger_network_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    save_counter(small(), path)
    header = {"kind": "timm", "settings": {"backbone": "resnet50", "decoder": [1024] * 8}}
    save_file(load_file(path), path, metadata={KEY: json.dumps(header)})
    with pytest.raises(InputError, match="does not have"):
        load_counter(path)


def test_loading_a_checkpoint_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_counter(small(), tmp_path / "timm.safetensors")

    def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was asked for")

    monkeypatch.setattr("socket.socket.connect", refused)
    load_counter(tmp_path / "timm.safetensors")


def test_timms_own_weights_fill_the_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's and the hub's real loading, from a cache that holds made-up weights."""
    known = timm.get_pretrained_cfg("resnet10t")
    revision = tmp_path / f"models--{known.hf_hub_id.replace('/', '--')}"
    (revision / "refs").mkdir(parents=True)
    (revision / "refs" / "main").write_text("a" * 40)
    (revision / "snapshots" / ("a" * 40)).mkdir(parents=True)
    donor = timm.create_model("resnet10t")
    save_file(donor.state_dict(), revision / "snapshots" / ("a" * 40) / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = torch.get_rng_state()
    counter = small(weights="imagenet")
    assert torch.equal(counter.backbone.get_parameter("layer3.0.conv1.weight"), donor.layer3[0].conv1.weight)
    torch.set_rng_state(before)
    assert torch.equal(small().head.weight, counter.head.weight)


def test_weights_that_cannot_be_had_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(timm_weights, "check_reachable", unreachable)
    with pytest.raises(InputError, match=r"timm/tf_efficientnet_lite0\.in1k.*no network.*'imagenet-packaged'"):
        build_counter("timm", weights="imagenet")
    with pytest.raises(InputError, match=r"imagenet-packaged' is for tf_efficientnet_lite0"):
        small(weights="imagenet-packaged")


def packaged(folder: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package like the published one, first on the path; importing it fails."""
    package = folder / timm_weights.PACKAGE
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('the package was run')")
    torch.save(tensors, package / timm_weights.FILE)
    monkeypatch.syspath_prepend(str(folder))
    return package / timm_weights.FILE


def test_packaged_weights_go_by_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    donor = timm.create_model("tf_efficientnet_lite0").state_dict()
    file = packaged(tmp_path, {f"other.{i}": tensor for i, tensor in enumerate(donor.values())}, monkeypatch)
    monkeypatch.setattr(timm_weights, "SHA256", timm_weights.sha256_of(file))
    counter = build_counter("timm", weights="imagenet-packaged")
    assert torch.equal(counter.state_dict()["backbone.blocks_4.2.conv_pwl.weight"], donor["blocks.4.2.conv_pwl.weight"])
    assert counter.settings()["mean"] == [127 / 255] * 3
    given = build_counter("timm", weights="imagenet-packaged", mean=(0.1, 0.2, 0.3))
    assert given.settings()["mean"] == [0.1, 0.2, 0.3]
    assert build_counter("timm", **counter.settings()).normalise(torch.ones(1, 3, 16, 16)).max() == pytest.approx(1.0)


def test_another_file_in_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = packaged(tmp_path, {"a": torch.zeros(1)}, monkeypatch)
    with pytest.raises(InputError, match=r"is not the file of version 0\.1\.0"):
        build_counter("timm", weights="imagenet-packaged")
    monkeypatch.setattr(timm_weights, "SHA256", timm_weights.sha256_of(file))
    with pytest.raises(InputError, match="its tensors are not those of tf_efficientnet_lite0"):
        build_counter("timm", weights="imagenet-packaged")


def test_the_published_package_fits() -> None:
    pytest.importorskip(timm_weights.PACKAGE)
    counter = build_counter("timm", weights="imagenet-packaged").eval()
    assert counter.state_dict()["backbone.bn1.running_var"].max() > 10
    assert abs(counter.count(torch.rand(1, 3, 64, 64)).item()) < 64


def test_a_missing_extra_is_said_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "timm":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'countguard\[timm\]'"):
        build_counter("timm")
