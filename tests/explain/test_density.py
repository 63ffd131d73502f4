import pytest
import torch
from torch import Tensor, nn

from countguard.explain.density import people_per_cell
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import as_input


@pytest.mark.parametrize("size", [(96, 128), (53, 70), (8, 9)])
def test_it_is_the_forward_map(lite: Counter, size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(people_per_cell(lite, image), lite(as_input(image[None]))[0, 0])


@pytest.mark.parametrize("size", [(345, 203), (70, 420)])
def test_tiles_give_the_map_of_the_whole(size: tuple[int, int]) -> None:
    """The tiles are those of Counter.count, and their cells lie where the whole map has them."""
    counter = build_counter("lite")
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    whole = people_per_cell(counter, image)
    counter.tile = 336
    tiled = people_per_cell(counter, image)
    assert torch.allclose(tiled, whole, rtol=1e-3, atol=1e-5)
    assert float(tiled.sum()) == pytest.approx(float(counter.count(as_input(image[None]))), rel=1e-5)


def test_modes_come_back_and_dropout_is_off(crowd_image: Tensor) -> None:
    counter = build_counter("lite")
    counter.head = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(64, 1, 1))
    counter.train()
    assert torch.equal(people_per_cell(counter, crowd_image), people_per_cell(counter, crowd_image))
    assert all(module.training for module in counter.modules())
