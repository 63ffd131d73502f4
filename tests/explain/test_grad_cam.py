import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.explain.grad_cam import grad_cam
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.csrnet import CSRNet

SHARED = Path(os.environ.get("COUNTGUARD_SHARED", "../shared"))
KINDS = ("lite", "csrnet", "mcnn")


def fresh(kind: str) -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter(kind)


@pytest.fixture(scope="module")
def awake_csrnet() -> CSRNet:
    """A CSRNet with He-initialised convolutions: its own N(0, 0.01) leaves random maps near zero."""
    counter = fresh("csrnet")
    assert isinstance(counter, CSRNet)
    generator = torch.Generator().manual_seed(1)
    for layer in counter.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    return counter


class LoudPadding(Counter):
    """Its features are the red channel of the image, and 5 where there is padding."""

    stride = 4
    align = 16

    def __init__(self, height: int, width: int) -> None:
        super().__init__(mean=(0.0,) * 3, std=(1.0,) * 3)
        self.size = (height, width)
        self.features = nn.Identity()
        self.weight = nn.Parameter(torch.ones(1))

    def density(self, normalised: Tensor) -> Tensor:
        activation = functional.avg_pool2d(normalised[:, :1], 4)
        height, width = -(-self.size[0] // 4), -(-self.size[1] // 4)
        activation[..., height:, :] = 5.0
        activation[..., width:] = 5.0
        features: Tensor = self.features(activation * self.weight)
        return features

    def explained_layer(self) -> nn.Module:
        return self.features


class Broken(Counter):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 8, stride=8)

    def density(self, normalised: Tensor) -> Tensor:
        self.features(normalised)
        raise RuntimeError("no memory")

    def explained_layer(self) -> nn.Module:
        return self.features


def correlation(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten().double(), other.flatten().double()]))[0, 1])


def upsampled_density(counter: Counter, image: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        density = counter.eval()(image[None].float() / 255)
    return density[0, 0], functional.interpolate(density, size=image.shape[-2:], mode="bilinear")[0, 0]


def hooks_of(counter: Counter) -> int:
    return sum(
        len(hooks)
        for module in counter.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_has_the_images_size_and_lies_in_0_to_1(kind: str) -> None:
    image = torch.randint(0, 256, (3, 53, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    cam = grad_cam(fresh(kind), image)
    assert cam.shape == (53, 70)
    assert cam.dtype == torch.float32
    assert not cam.requires_grad
    assert cam.min() >= 0
    assert cam.max() in (0.0, 1.0)


def test_bytes_and_floats_give_the_same_map(crowd_image: Tensor) -> None:
    counter = fresh("lite")
    assert torch.equal(grad_cam(counter, crowd_image), grad_cam(counter, crowd_image.float() / 255))


@pytest.mark.parametrize("kind", KINDS)
def test_the_counter_is_left_as_it_was(kind: str, crowd_image: Tensor) -> None:
    counter = fresh(kind).train()
    counter.explained_layer().eval()
    frozen = next(counter.parameters()).requires_grad_(False)
    modes = [module.training for module in counter.modules()]
    first = grad_cam(counter, crowd_image)
    assert hooks_of(counter) == 0
    assert all(parameter.grad is None for parameter in counter.parameters())
    assert [module.training for module in counter.modules()] == modes
    assert all(parameter.requires_grad == (parameter is not frozen) for parameter in counter.parameters())
    assert torch.equal(first, grad_cam(counter, crowd_image))


def test_a_counter_that_fails_is_left_as_it_was(crowd_image: Tensor) -> None:
    counter = Broken().train()
    with pytest.raises(RuntimeError, match="no memory"):
        grad_cam(counter, crowd_image)
    assert hooks_of(counter) == 0
    assert counter.training
    assert all(parameter.requires_grad for parameter in counter.parameters())


def test_a_map_of_zeros_stays_zeros() -> None:
    assert torch.equal(grad_cam(LoudPadding(16, 16), torch.zeros(3, 16, 16)), torch.zeros(16, 16))


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 12).map(lambda cells: 4 * cells), width=st.integers(1, 12).map(lambda cells: 4 * cells))
def test_padding_carries_none_of_it(height: int, width: int) -> None:
    """Every cell of the image is worth the same, and the padding's cells are the strongest."""
    cam = grad_cam(LoudPadding(height, width), torch.ones(3, height, width))
    assert torch.allclose(cam, torch.ones(height, width))


def test_at_the_last_features_grad_cam_is_the_density(awake_csrnet: CSRNet, crowd_image: Tensor) -> None:
    """The gradient of a sum behind a linear 1x1 output is the same everywhere, whatever region is asked for."""
    counter = awake_csrnet
    density, _ = upsampled_density(counter, crowd_image)
    bias = counter.output_layer.bias
    assert bias is not None
    expected = functional.relu(density - bias.detach() * counter.output_scale)
    assert expected.std() > 0
    expected = functional.interpolate(expected[None, None], size=crowd_image.shape[-2:], mode="bilinear")[0, 0]
    last = counter.backend[-1]
    assert correlation(grad_cam(counter, crowd_image, layer=last), expected) > 0.999
    assert correlation(grad_cam(counter, crowd_image, layer=last, region=(8, 8, 32, 40)), expected) > 0.999


def test_at_the_output_grad_cam_is_the_density_map_itself(awake_csrnet: CSRNet, crowd_image: Tensor) -> None:
    """What the paper's public code draws as Figure 5 (docs/reproduction-differences.md)."""
    density, _ = upsampled_density(awake_csrnet, crowd_image)
    shown = functional.relu(density) / density.max()
    expected = functional.interpolate(shown[None, None], size=crowd_image.shape[-2:], mode="bilinear")[0, 0]
    cam = grad_cam(awake_csrnet, crowd_image, layer=awake_csrnet.output_layer)
    torch.testing.assert_close(cam * expected.max(), expected, rtol=1e-3, atol=1e-4)


def test_at_the_end_of_the_front_end_it_is_not_the_density(awake_csrnet: CSRNet) -> None:
    for crowd in Synthetic(test=3).crowds("test"):
        _, density = upsampled_density(awake_csrnet, crowd.image)
        cam = grad_cam(awake_csrnet, crowd.image)
        assert cam.std() > 0
        assert correlation(cam, density) < 0.95


def test_lite_is_explained_before_its_last_features(crowd_image: Tensor) -> None:
    counter = fresh("lite")
    assert isinstance(counter.explained_layer(), nn.ReLU)
    _, density = upsampled_density(counter, crowd_image)
    assert correlation(grad_cam(counter, crowd_image), density) < 0.95


def test_a_trained_csrnet_looks_elsewhere_than_its_density() -> None:
    weights = SHARED / "weights" / "csrnet_part_a_fp16.safetensors"
    if not weights.exists():
        pytest.skip(f"{weights} is not here")
    counter = build_counter("csrnet", weights=weights)
    for crowd in Synthetic(test=3).crowds("test"):
        _, density = upsampled_density(counter, crowd.image)
        assert density.sum() > 0
        assert correlation(grad_cam(counter, crowd.image), density) < 0.95


def test_a_region_stands_for_the_cells_that_it_touches(awake_csrnet: CSRNet, crowd_image: Tensor) -> None:
    whole = grad_cam(awake_csrnet, crowd_image)
    corner = grad_cam(awake_csrnet, crowd_image, region=(0, 0, 16, 8))
    assert not torch.allclose(whole, corner, atol=0.01)
    assert torch.equal(grad_cam(awake_csrnet, crowd_image, region=(0, 0, 96, 128)), whole)
    assert torch.equal(grad_cam(awake_csrnet, crowd_image, region=(7, 1, 4, 7)), corner)


@pytest.mark.parametrize("region", [(-1, 0, 4, 4), (0, 0, 0, 4), (0, 125, 4, 4), (93, 0, 4, 4)])
def test_a_region_outside_the_image_is_refused(region: tuple[int, int, int, int], crowd_image: Tensor) -> None:
    with pytest.raises(InputError, match="region"):
        grad_cam(fresh("lite"), crowd_image, region=region)
