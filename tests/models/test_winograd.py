"""Winograd's convolution gives what a convolution gives, wherever it is used."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from countguard.models import winograd
from countguard.models.winograd import Winograd, convolve, suits, transform


def layer(**settings: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(winograd.WIDE, winograd.WIDE, 3, **{"padding": 1, **settings})


def features(batch: int = 1, height: int = 84, width: int = 91) -> Tensor:
    return torch.rand(batch, winograd.WIDE, height, width, generator=torch.Generator().manual_seed(1))


def near(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and bool((found - expected).abs().max() <= 1e-4 * expected.abs().max())


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    padding=st.integers(0, 5),
    dilation=st.integers(1, 4),
    widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    bias=st.booleans(),
    last=st.booleans(),
    block=st.sampled_from([1, 5000, winograd.BLOCK]),
)
def test_any_size_padding_and_dilation(
    batch: int,
    height: int,
    width: int,
    padding: int,
    dilation: int,
    widths: tuple[int, int],
    bias: bool,
    last: bool,
    block: int,
) -> None:
    if min(height, width) + 2 * padding <= 2 * dilation:
        return
    torch.manual_seed(0)
    images = torch.randn(batch, widths[0], height, width)
    images = images.contiguous(memory_format=torch.channels_last) if last else images
    weight, shift = torch.randn(widths[1], widths[0], 3, 3), torch.randn(widths[1]) if bias else None
    expected = functional.conv2d(images, weight, shift, padding=padding, dilation=dilation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "BLOCK", block)
        found = convolve(images, transform(weight), shift, padding, dilation)
    assert near(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("settings", [{}, {"padding": 2, "dilation": 2}, {"padding": 0}])
def test_a_wide_layer_gives_the_same(settings: dict[str, int]) -> None:
    plain = layer(**settings)
    fast = Winograd(plain)
    with torch.inference_mode():
        expected, found = plain(features(2)), fast(features(2))
    assert near(found, expected)
    assert not torch.equal(found, expected)  # it was the other way indeed


def test_gradients_training_and_small_maps_take_the_plain_way() -> None:
    plain = layer()
    fast = Winograd(plain)
    assert torch.equal(fast(features()), plain(features()))
    with torch.no_grad():
        assert torch.equal(fast(features()), plain(features()))
    small = features(height=8, width=8)
    with torch.inference_mode():
        assert torch.equal(fast(small), plain(small))


def test_changed_weights_are_transformed_again() -> None:
    plain = layer()
    plain.forward = Winograd(plain)
    copied = copy.deepcopy(plain)
    with torch.inference_mode():
        before = plain(features())
    with torch.no_grad():
        plain.weight.mul_(2)
    with torch.inference_mode():
        assert near(plain(features()), functional.conv2d(features(), plain.weight, plain.bias, padding=1))
        assert torch.equal(copied(features()), before)
    plain.weight = nn.Parameter(plain.weight / 2)
    with torch.inference_mode():
        assert torch.equal(plain(features()), before)


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(64, 512, 3),
        nn.Conv2d(128, 128, 5),
        nn.Conv2d(128, 128, 3, stride=2),
        nn.Conv2d(128, 128, 3, groups=2),
        nn.Conv2d(128, 128, 3, padding="same"),
        nn.Conv2d(128, 128, 3, padding=(1, 2)),
        nn.Conv2d(128, 128, 3, dilation=(1, 2)),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(128, 128, 3, dtype=torch.float64),
        nn.ReLU(),
    ],
)
def test_other_layers_do_not_suit(other: nn.Module) -> None:
    assert suits(layer())
    assert not suits(other)
