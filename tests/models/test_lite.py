from pathlib import Path

import pytest
import torch

from countguard.models import load_counter, save_counter
from countguard.models.lite import START, Lite


def test_lite_stays_as_small_as_it_says() -> None:
    parameters = sum(parameter.numel() for parameter in Lite().parameters())
    assert Lite.__doc__ is not None
    assert f"{parameters:,} parameters" in Lite.__doc__


def test_random_weights_start_near_the_density_of_a_crowd() -> None:
    with torch.no_grad():
        density = Lite()(torch.rand(4, 3, 96, 128))
    assert density.mean().item() == pytest.approx(START, abs=0.1)


def test_a_label_of_nobody_still_teaches_where_the_density_is_below_zero() -> None:
    counter = Lite()
    torch.nn.init.constant_(counter.get_parameter("head.bias"), -3.0)
    loss = counter.loss(torch.rand(2, 3, 32, 32), [torch.zeros(0, 2)] * 2)
    (gradient,) = torch.autograd.grad(loss, counter.get_parameter("head.bias"))
    assert gradient.item() < 0, "a step against the gradient raises the density towards 0"


def test_counting_leaves_the_statistics_of_batch_norm_alone() -> None:
    counter = Lite().train()
    before = {name: value.clone() for name, value in counter.named_buffers()}
    counter.count(torch.rand(2, 3, 32, 48))
    assert counter.training
    for name, value in counter.named_buffers():
        assert torch.equal(value, before[name]), name


def test_a_narrow_one_comes_back_from_its_file(tmp_path: Path) -> None:
    save_counter(Lite(channels=4), tmp_path / "narrow.safetensors")
    counter = load_counter(tmp_path / "narrow.safetensors")
    assert counter.settings()["channels"] == 4
    assert sum(parameter.numel() for parameter in counter.parameters()) < 10_000
