"""CLIP-EBC's published checkpoints, converted: what public code gives, comes out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from countguard.errors import InputError
from countguard.models import convert, load_counter
from countguard.models import published_clip_ebc as published
from countguard.models.bins import Bins
from countguard.models.clip_blockwise import ClipBlockwise
from countguard.models.clip_ebc_vit import ClipEBCViT, resized
from countguard.models.clip_weights import prompts
from countguard.models.layouts import find_kinds, find_layout
from countguard.models.weights_file import WeightsFile, open_weights
from models import golden

open_clip = pytest.importorskip("open_clip")
NETWORKS = {"clip_ebc": "clip_ebc_rn50", "clip_ebc_vit": "clip_ebc_vit_b16_224"}
LENGTH = {"clip_ebc": 1024, "clip_ebc_vit": 512}


def text_tower(length: int) -> Any:
    """A text encoder of CLIP's making, narrow and shallow."""
    from open_clip.transformer import QuickGELU, TextTransformer

    torch.manual_seed(0)
    return TextTransformer(width=64, heads=1, layers=2, output_dim=length, act_layer=QuickGELU).eval()


def with_text(weights: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """A network's tensors and those of its text encoder, as they are published."""
    tower = text_tower(length).state_dict()
    return weights | {f"text_encoder.{name}": tensor for name, tensor in tower.items()}


class Empty(nn.Module):
    """As much of a counter as `finish` and `finish_vit` fill."""

    def __init__(self) -> None:
        super().__init__()
        self.bins = Bins()
        self.register_buffer("text_features", torch.zeros(5, 16))
        self.register_buffer("prompts", torch.zeros(2, 3, 4))


def finished(tensors: dict[str, Tensor], folder: Path, fill: Callable[..., None] = published.finish) -> Any:
    save_file(tensors, folder / "file.safetensors")
    counter = Empty()
    fill(counter, open_weights(folder / "file.safetensors"), "")
    return counter


def told(folder: Path, config: object = None, **shapes: tuple[int, ...]) -> WeightsFile:
    """A file that says this of itself."""
    metadata = {} if config is None else {"config": config if isinstance(config, str) else json.dumps(config)}
    return WeightsFile(folder / "file.safetensors", metadata, shapes, {})


@pytest.mark.parametrize("kind", NETWORKS)
def test_logits_are_those_of_the_public_code(kind: str, tmp_path: Path) -> None:
    torch.save(with_text(golden.filled(NETWORKS[kind]), LENGTH[kind]), tmp_path / "best_mae.pth")
    said: list[str] = []
    out = tmp_path / "out.safetensors"
    convert.convert(tmp_path / "best_mae.pth", None, out, convention="shb", say=said.append)
    counter = load_counter(out).eval()
    assert isinstance(counter, ClipBlockwise)
    assert (counter.kind, said) == (kind, [])
    assert counter.bins.people == golden.BINS
    tokens = open_clip.get_tokenizer("RN50")(prompts(counter.bins))
    with torch.no_grad():
        own = functional.normalize(text_tower(LENGTH[kind])(tokens), dim=1)
    assert torch.allclose(counter.text_features, own, atol=1e-6)  # from the file's own encoder
    counter.text_features.copy_(golden.text_features(LENGTH[kind]))  # those that the public code was given
    for name, given in golden.outputs(NETWORKS[kind]).items():
        what, _, size = name.partition("_")
        image = golden.image(*map(int, size.split("x")))
        with torch.inference_mode():
            logits = counter.logits(counter.normalise(image))[0]
            ours = logits if what == "logits" else counter.people_of(logits[None])[0]
        assert ours.shape == given.shape
        spread = given.max() - given.min() if what == "logits" else given.max()
        assert (ours - given).abs().max() < 1e-4 * spread, name


def test_a_text_encoder_gives_the_features_and_its_absence_is_named(tmp_path: Path) -> None:
    whole = with_text({}, 16)
    assert torch.allclose(finished(whole, tmp_path).text_features.norm(dim=1), torch.ones(5))
    assert torch.equal(finished({"text_features": 3 * torch.eye(5, 16)}, tmp_path).text_features, torch.eye(5, 16))
    for changed, words in (
        ({"a": torch.zeros(1)}, "holds no text_encoder"),
        (whole | {"text_encoder.positional_embedding": torch.zeros(76, 64)}, "no text encoder of CLIP"),
        (whole | {"text_encoder.ln_final.bias": torch.zeros(65)}, "has shape"),
        (whole | {"text_encoder.transformer.resblocks.9.x": torch.zeros(1)}, "which the counter does not have"),
    ):
        with pytest.raises(InputError, match=words):
            finished(changed, tmp_path)


def test_prompts_of_every_layer_are_taken(tmp_path: Path) -> None:
    prompts = {f"vpt_{layer}": torch.full((3, 4), layer + 1.0) for layer in range(2)}
    filled = finished(with_text(prompts, 16), tmp_path, published.finish_vit)
    assert filled.prompts[:, 0, 0].tolist() == [1.0, 2.0]


def test_shapes_tell_what_a_vit_was_trained_on(tmp_path: Path) -> None:
    prompts = {f"vpt_{layer}": (32, 768) for layer in range(12)}
    position = "image_encoder.positional_embedding"
    for rows, grid in ((197, 14), (785, 28)):
        settings = published.settings_of_vit(told(tmp_path, **prompts, **{position: (rows, 768)}), "")
        assert settings == {"prompts": 32, "grid": grid, "crop": 16 * grid}
        with torch.device("meta"):
            counter = ClipEBCViT(**settings)
        assert (counter.trunk.positional_embedding.shape[0], counter.tile) == (rows, 16 * grid)
        assert {**counter.settings(), **settings} == counter.settings()
    with pytest.raises(InputError, match="784 rows"):
        published.settings_of_vit(told(tmp_path, **prompts, **{position: (784, 768)}), "")
    with pytest.raises(InputError, match="shallow prompts"):
        published.settings_of_vit(told(tmp_path, vpt_0=(32, 768), **{position: (197, 768)}), "")


def test_positions_are_resized_to_any_image() -> None:
    positions = torch.arange(1 + 14 * 14.0)[:, None].expand(-1, 4)
    assert resized(positions, (14, 14)) is positions
    grown = resized(positions, (28, 3))
    assert grown.shape == (1 + 28 * 3, 4)
    assert torch.equal(grown[0], positions[0])


def test_bins_come_with_ebc_zips_settings(tmp_path: Path) -> None:
    zips = {"block_size": 8, "bins": [[0, 0], [1, 1], [2, "inf"]], "bin_centers": [0.0, 1.0, 2.25], "model_name": "x"}
    told_bins = {"bins": {"truncation": 2, "values": [0.0, 1.0, 2.25]}}
    assert published.settings_of(told(tmp_path, zips), "") == told_bins
    for nothing in ("{", "[]", '{"bin_centers": 3}', {"bin_centers": []}, None):
        assert published.settings_of(told(tmp_path, nothing), "") == {}
    for wrong, words in (({"bins": [[0, 0], [1, 2], [3, "inf"]]}, "its bins are"), ({"block_size": 16}, "its blocks")):
        with pytest.raises(InputError, match=words):
            published.settings_of(told(tmp_path, zips | wrong), "")


def test_a_file_is_read_by_the_layout_that_it_has() -> None:
    for kind, name in NETWORKS.items():
        names = [f"module.{key}" for key in golden.filled_names(name)]
        assert [found.layout.kinds for found in find_kinds(names)] == [(kind,)]
        found = find_layout(kind, names)
        assert found is not None
        assert found.prefix == "module."
