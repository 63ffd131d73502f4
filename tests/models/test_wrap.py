from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from countguard.errors import InputError
from countguard.models import Counter, wrap


class Own(nn.Module):
    """Somebody's network: a density map at stride 4."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU())
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        density: Tensor = self.head(self.features(images))
        return density


def test_a_network_of_ones_own_counts_and_trains() -> None:
    counter = wrap(Own(), stride=4, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), output_scale=16.0)
    assert isinstance(counter, Counter)
    assert counter(torch.rand(2, 3, 13, 18)).shape == (2, 1, 4, 5)
    assert counter.count(torch.rand(2, 3, 13, 18)).shape == (2,)
    counter.loss(torch.rand(1, 3, 16, 16), [torch.tensor([[3.0, 4.0]])]).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in counter.parameters())


def test_the_explained_layer_is_found_or_named() -> None:
    own = Own()
    assert wrap(own, stride=4).explained_layer() is own.features[0]
    assert wrap(own, stride=4, explained_layer="features.1").explained_layer() is own.features[1]
    with pytest.raises(InputError, match="no submodule called 'body'"):
        wrap(own, stride=4, explained_layer="body")
    with pytest.raises(InputError, match="no convolution"):
        wrap(nn.AvgPool2d(4), stride=4).explained_layer()


def test_a_map_of_another_shape_is_named_on_the_first_image() -> None:
    with pytest.raises(InputError, match=r"gave \(1, 1, 4, 4\).*stride 8 is \(1, 1, 2, 2\)"):
        wrap(Own(), stride=8)(torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize(("stride", "align"), [(0, 8), (8, 12)])
def test_an_alignment_that_cuts_cells_is_refused(stride: int, align: int) -> None:
    with pytest.raises(InputError, match="align must be a multiple of stride"):
        wrap(Own(), stride=stride, align=align)


class Giving(nn.Module):
    """A network that gives more than its density map."""

    def __init__(self, packed: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.own, self.packed = Own(), packed

    def forward(self, images: Tensor) -> object:
        return self.packed(self.own(images))


@pytest.mark.parametrize(
    ("packed", "output"),
    [
        (lambda density: (density, density.sum()), None),
        (lambda density: [density.sum(dim=(1, 2, 3)), density], None),
        (lambda density: {"counts": density.sum(), "map": density}, None),
        (lambda density: {"aux": [density[..., :1], {"deep": density}]}, None),
        (lambda density: (density, density / density.sum()), 0),  # DM-Count's
        (lambda density: (density / density.sum(), density), -1),
        (lambda density: {"normed": density * 0, "map": density}, "map"),
        (lambda density: (density * 0, {"map": (density, 3)}), 1),
    ],
)
def test_a_map_among_other_outputs_is_found_or_named(packed: Callable[[Tensor], object], output: int | str) -> None:
    giving = Giving(packed)
    counter = wrap(giving, stride=4, output=output)
    images = torch.rand(2, 3, 13, 18)
    assert torch.equal(counter(images), wrap(giving.own, stride=4)(images))
    assert torch.equal(counter.count(images), wrap(giving.own, stride=4).count(images))


@pytest.mark.parametrize(
    ("packed", "output", "says"),
    [
        (lambda density: (density, density + 1), None, r"a tuple of 2 with 2 density maps.*name the right entry"),
        (lambda density: {"pred_logits": density.sum(), "points": 3}, None, r"a dict of 'pred_logits', 'points' with"),
        (lambda density: None, None, r"a NoneType with no density map.*\[B, 1, H/4, W/4\] alone"),
        (lambda density: (density,), 1, r"a tuple of 1; it has no entry 1, which output names"),
        (lambda density: {"map": density}, "density", r"it has no entry 'density'"),
        (lambda density: (density[..., :1], 3), 0, r"gave \(2, 1, 4, 1\)"),
    ],
)  # fmt: skip
def test_outputs_without_one_map_are_named(packed: Callable[[Tensor], object], output: int | str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        wrap(Giving(packed), stride=4, output=output).count(torch.rand(2, 3, 16, 16))
