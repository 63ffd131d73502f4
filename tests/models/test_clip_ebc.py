import builtins
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from countguard.errors import InputError
from countguard.models import build_counter, clip_blockwise, clip_weights, load_counter, save_counter
from countguard.models.bins import Bins
from countguard.models.clip_blockwise import ClipBlockwise
from countguard.models.clip_ebc import ClipEBC
from countguard.models.clip_ebc_vit import ClipEBCViT
from countguard.models.clip_weights import prompts, read_clip, text_features
from countguard.models.weights_file import open_weights

open_clip = pytest.importorskip("open_clip")
KINDS = ("clip_ebc", "clip_ebc_vit")


@pytest.fixture(scope="module")
def counters() -> dict[str, ClipBlockwise]:
    """One of each, since building one takes a second. Tests change none of their weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"clip_ebc": ClipEBC().eval(), "clip_ebc_vit": ClipEBCViT().eval()}


@pytest.fixture
def tiny_clip(monkeypatch: pytest.MonkeyPatch) -> Any:
    """open_clip's model, small, under every architecture's name."""
    configuration = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
    }
    monkeypatch.setattr(open_clip, "get_model_config", lambda architecture: configuration)
    return open_clip.CLIP(**configuration)


def test_clip_ebc_has_the_published_size() -> None:
    with torch.device("meta"):
        counter = ClipEBC()
    trained = sum(parameter.numel() for parameter in counter.parameters() if parameter.requires_grad)
    assert trained == 71_775_073
    assert sum(parameter.numel() for parameter in counter.trunk.parameters()) == 23_527_264
    assert "text_features" not in dict(counter.named_parameters())


def test_the_vit_is_frozen_and_its_prompts_are_trained() -> None:
    with torch.device("meta"):
        counter = ClipEBCViT()
    trained = {name.split(".")[0] for name, parameter in counter.named_parameters() if parameter.requires_grad}
    assert trained == {"prompts", "decoder", "projection", "logit_scale"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_crop_of_448_has_5_by_56_by_56_logits(kind: str) -> None:
    with torch.device("meta"):
        counter = build_counter(kind)
        assert isinstance(counter, ClipBlockwise)
        assert counter.logits(torch.empty(1, 3, 448, 448)).shape == (1, 5, 56, 56)


@pytest.mark.parametrize("kind", KINDS)
def test_images_smaller_than_a_window_count(kind: str, counters: dict[str, ClipBlockwise]) -> None:
    counter = counters[kind]
    with torch.inference_mode():
        assert counter(torch.rand(1, 3, 9, 33)).shape == (1, 1, 2, 5)
    assert 0 <= counter.count(torch.rand(1, 3, 1, 1)).item() <= 4


def test_logits_are_scaled_cosines_with_orthonormal_text(counters: dict[str, ClipBlockwise]) -> None:
    counter = counters["clip_ebc"]
    assert torch.allclose(counter.text_features @ counter.text_features.T, torch.eye(5), atol=1e-5)
    assert counter.logit_scale.item() == pytest.approx(log(1 / 0.07))
    with torch.inference_mode():
        logits = counter.logits(torch.rand(1, 3, 32, 32))
    assert logits.abs().max().item() <= 1 / 0.07 + 1e-4


def test_pixels_beyond_the_margin_do_not_reach_a_cell(counters: dict[str, ClipBlockwise]) -> None:
    counter = ClipEBC().eval()
    for parameter in counter.parameters():
        nn.init.constant_(parameter, 0.01)
    strip = torch.full((1, 3, 16, 496), 0.9, requires_grad=True)
    for cell in (30, 31):
        decoded = counter.decoder(nn.functional.interpolate(counter.features(strip), scale_factor=2, mode="bilinear"))
        (gradient,) = torch.autograd.grad(decoded[0, :, 0, cell].sum(), strip)
        reached = gradient[0].abs().sum(dim=(0, 1)).nonzero()
        assert 8 * cell - reached.min().item() <= counter.margin
        assert reached.max().item() - (8 * cell + 7) <= counter.margin


def test_decoding_before_the_upsample_gives_a_map_of_the_same_size() -> None:
    with torch.device("meta"):
        counter = build_counter("clip_ebc", decoding="before_upsample")
        assert counter(torch.empty(1, 3, 40, 64)).shape == (1, 1, 5, 8)
    assert counter.settings()["decoding"] == "before_upsample"


@pytest.mark.parametrize("kind", KINDS)
def test_text_features_travel_with_the_checkpoint(
    kind: str, counters: dict[str, ClipBlockwise], tmp_path: Path
) -> None:
    counter = counters[kind]
    save_counter(counter, tmp_path / "clip.safetensors")
    loaded = load_counter(tmp_path / "clip.safetensors")
    assert isinstance(loaded, ClipBlockwise)
    assert torch.equal(loaded.text_features, counter.text_features)
    images = torch.rand(1, 3, 32, 48)
    assert torch.equal(loaded.count(images), counter.count(images))


def test_the_loss_falls() -> None:
    counter = build_counter("clip_ebc")
    images = torch.rand(2, 3, 48, 48)
    points = [torch.rand(9, 2) * 48, torch.tensor([[20.0, 20.0]])]
    optimizer = torch.optim.Adam(counter.parameters(), lr=1e-4, fused=True)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = counter.loss(images, points)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_prompts_are_the_papers() -> None:
    assert prompts(Bins()) == [
        "There is no person.",
        "There is one person.",
        "There are two people.",
        "There are three people.",
        "There are more than four people.",
    ]
    assert prompts(Bins(truncation=1)) == ["There is no person.", "There are more than one people."]
    assert len(prompts(Bins(truncation=20))) == 21


def test_a_whole_clip_gives_text_features_of_length_one(tiny_clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    save_file(tiny_clip.state_dict(), path)
    model = read_clip(open_weights(path), "RN50-quickgelu")
    features = text_features(model, "RN50", Bins())
    assert features.shape == (5, 16)
    assert torch.allclose(features.norm(dim=1), torch.ones(5), atol=1e-5)
    assert torch.equal(model.visual.conv1.weight, tiny_clip.visual.conv1.weight)


def test_another_clip_is_refused(tiny_clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    save_file({name: tensor for name, tensor in tiny_clip.state_dict().items() if name != "ln_final.bias"}, path)
    with pytest.raises(InputError, match=r"'ln_final\.bias' is missing"):
        build_counter("clip_ebc", weights=path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_projection_starts_by_its_outputs(kind: str, counters: dict[str, ClipBlockwise]) -> None:
    """The reference code draws with fan-out: a standard deviation of sqrt(2 / outputs), not of sqrt(2 / inputs)."""
    projection = counters[kind].projection
    assert projection.out_channels < projection.in_channels
    assert projection.weight.std().item() == pytest.approx((2 / projection.out_channels) ** 0.5, rel=0.02)
    assert projection.bias is not None
    assert (projection.bias == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_file_fills_the_trunk_and_the_text(
    kind: str, counters: dict[str, ClipBlockwise], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    donor = counters[kind]
    text = torch.rand(5, donor.text_features.shape[1])

    class Model:
        visual = donor.trunk

    monkeypatch.setattr(clip_blockwise, "read_clip", lambda file, architecture: Model())
    monkeypatch.setattr(clip_blockwise, "text_features", lambda model, architecture, bins: text)
    path = tmp_path / "clip.safetensors"
    marks = ("visual.conv1.weight", "token_embedding.weight", "text_projection")
    save_file({name: torch.zeros(1) for name in marks}, path)
    counter = build_counter(kind, weights=path)
    assert isinstance(counter, ClipBlockwise)
    assert torch.equal(counter.text_features, text)
    for name, tensor in donor.trunk.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(counter.state_dict()[f"trunk.{name}"], tensor)
    if kind == "clip_ebc_vit":
        assert not any(parameter.requires_grad for parameter in counter.trunk.parameters())  # type: ignore[union-attr]


def test_position_embeddings_are_clips_own_at_its_own_size(counters: dict[str, ClipBlockwise]) -> None:
    counter = counters["clip_ebc_vit"]
    assert isinstance(counter, ClipEBCViT)
    assert torch.allclose(counter._positions(14, 14), counter.trunk.positional_embedding, atol=1e-6)
    assert counter._positions(3, 28).shape == (1 + 3 * 28, 768)


def test_openais_weights_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(clip_weights, "check_reachable", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: None)
    with pytest.raises(InputError) as caught:
        build_counter("clip_ebc", weights="openai")
    assert "timm/resnet50_clip.openai/resolve/main/open_clip_model.safetensors" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_extra_is_said_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "open_clip":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'countguard\[clip\]'"):
        build_counter("clip_ebc")


def tokens_seen(counter: ClipEBCViT, images: Tensor) -> list[int]:
    seen: list[int] = []
    handles = [
        layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[1]))
        for layer in counter.trunk.transformer.resblocks
    ]
    counter.count(images)
    for handle in handles:
        handle.remove()
    return seen


def test_every_layer_is_given_its_prompts(counters: dict[str, ClipBlockwise]) -> None:
    counter = counters["clip_ebc_vit"]
    assert isinstance(counter, ClipEBCViT)
    assert tokens_seen(counter, torch.rand(1, 3, 32, 48)) == [1 + 2 * 3 + 32] * 12
