from pathlib import Path

import pytest
import torch
from torch import nn

from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.csrnet import CSRNet


def test_csrnet_has_the_published_size_start_and_layout() -> None:
    counter = CSRNet()
    assert sum(parameter.numel() for parameter in counter.parameters()) == 16_263_489
    weights = [layer.weight for layer in counter.backend if isinstance(layer, nn.Conv2d)]
    assert all(0.0095 < weight.std().item() < 0.0105 for weight in weights)
    assert counter.output_layer.bias is not None
    assert counter.output_layer.bias.item() == 0
    assert counter.explained_layer() is counter.frontend[22]
    assert counter.output_scale == 64.0


def test_the_output_is_linear_and_scaled_to_people_per_cell() -> None:
    counter = CSRNet()
    assert counter.output_layer.bias is not None
    nn.init.zeros_(counter.output_layer.weight)
    nn.init.constant_(counter.output_layer.bias, -0.5)
    assert counter(torch.rand(1, 3, 16, 16)).eq(-32.0).all()


def test_imagenet_weights_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("countguard.models.imagenet.check_reachable", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        build_counter("csrnet", weights="imagenet")
    assert str(tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth") in str(caught.value)


def test_a_damaged_file_in_the_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a download")
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth"):
        build_counter("csrnet", weights="imagenet")


def test_imagenet_weights_fill_the_front_end(monkeypatch: pytest.MonkeyPatch) -> None:
    other = CSRNet()
    monkeypatch.setattr("countguard.models.csrnet.vgg_features", other.frontend.state_dict)
    counter = build_counter("csrnet", weights="imagenet")
    assert isinstance(counter, CSRNet)
    assert torch.equal(counter.frontend.state_dict()["21.bias"], other.frontend.state_dict()["21.bias"])
