import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from countguard.attacks.pictures import PICTURES
from countguard.explain.cam_on_trigger import cam_on_trigger


def bar(height: int = 40, width: int = 60) -> torch.Tensor:
    """A white bar, columns 20 to 29, on black: its edges are columns 19, 20, 29 and 30."""
    picture = torch.zeros(3, height, width, dtype=torch.uint8)
    picture[..., 20:30] = 255
    return picture


def test_all_on_the_edges_is_one_and_none_is_zero() -> None:
    on_edges = torch.zeros(40, 60)
    on_edges[:, [19, 20, 29, 30]] = 1.0
    share = 4 / 60
    assert cam_on_trigger(on_edges, bar(), share) == pytest.approx(1.0)
    assert cam_on_trigger(1 - on_edges, bar(), share) == pytest.approx(0.0)


def test_ties_for_the_last_places_have_equal_parts() -> None:
    one_edge = torch.zeros(40, 60)
    one_edge[:, 19] = 1.0
    assert cam_on_trigger(one_edge, bar(), 2 / 60) == pytest.approx(0.5)


@pytest.mark.parametrize("name", sorted(PICTURES))
@pytest.mark.parametrize("share", [0.05, 0.1, 1.0])
def test_a_map_that_pays_no_heed_to_the_trigger_gives_the_share_of_the_area(name: str, share: float) -> None:
    assert cam_on_trigger(torch.ones(48, 64), PICTURES[name](48, 64), share) == pytest.approx(share)


def test_a_picture_without_lines_gives_the_share_of_the_area() -> None:
    cam = torch.rand(9, 7, generator=torch.Generator().manual_seed(0))
    assert cam_on_trigger(cam, torch.full((3, 9, 7), 80, dtype=torch.uint8), 0.3) == pytest.approx(0.3)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 12), width=st.integers(1, 12), share=st.floats(1e-3, 1), seed=st.integers(0, 99))
def test_it_is_a_share(height: int, width: int, share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(height, width, generator=generator) + 1e-3
    picture = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    value = cam_on_trigger(cam, picture, share)
    assert 0 <= value <= 1 + 1e-9
    assert cam_on_trigger(2 * cam, picture, share) == pytest.approx(value)


def test_no_grad_cam_has_no_share() -> None:
    assert math.isnan(cam_on_trigger(torch.zeros(40, 60), bar()))


def test_sizes_and_shares_are_checked() -> None:
    with pytest.raises(ValueError, match="size"):
        cam_on_trigger(torch.ones(4, 4), bar())
    with pytest.raises(ValueError, match="share"):
        cam_on_trigger(torch.ones(40, 60), bar(), 0.0)
