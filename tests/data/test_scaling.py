from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.case import shanghaitech
from countguard.data.kernels import Fixed
from countguard.data.rescaled import Rescaled
from countguard.data.scaling import clamp_inside, rescale
from countguard.data.shanghaitech import ShanghaiTech
from countguard.errors import InputError
from tiny_crowds import tiny_crowd


@given(height=st.integers(8, 60), width=st.integers(8, 60), scale=st.floats(0.1, 4))
@settings(max_examples=100, deadline=None)
def test_heads_move_with_the_picture_and_stay_inside(height: int, width: int, scale: float) -> None:
    crowd = replace(tiny_crowd("a", 6, height, width), kernel=Fixed(3.0))
    crowd.points[0] = torch.tensor([width - 1e-5, height - 1e-5])
    new_height, new_width = round(height * scale), round(width * scale)
    if min(new_height, new_width) < 8:
        with pytest.raises(InputError, match="at least 8"):
            rescale(crowd, scale)
        return
    scaled = rescale(crowd, scale)
    assert (scaled.height, scaled.width) == (new_height, new_width)
    sides = torch.tensor([scaled.width, scaled.height])
    assert ((scaled.points >= 0) & (scaled.points < sides)).all()
    expected = crowd.points * sides / torch.tensor([width, height])
    assert torch.allclose(scaled.points, expected, atol=1e-4)
    assert (scaled.id, scaled.kernel, scaled.image.dtype) == (crowd.id, crowd.kernel, torch.uint8)


def test_crowds_are_rescaled_as_they_are_read() -> None:
    crowds = [tiny_crowd("a", 6, 24, 32), tiny_crowd("b", 6, 8, 8), tiny_crowd("c", 6, 32, 24)]
    smaller = Rescaled(crowds, 0.5)
    assert [(smaller[place].id, smaller[place].height) for place in (0, -1)] == [("a", 12), ("c", 16)]
    assert [crowd.width for crowd in smaller[::2]] == [16, 12]
    with pytest.raises(InputError, match="at least 8"):
        smaller[1]


def test_a_smaller_picture_is_an_average_not_a_sample() -> None:
    stripes = torch.zeros(3, 32, 32, dtype=torch.uint8)
    stripes[:, :, ::2] = 200
    half = rescale(replace(tiny_crowd("a"), image=stripes, points=torch.zeros(0, 2)), 0.25)
    assert (half.image.float() - 100).abs().max() < 12


def test_a_scale_of_one_changes_nothing() -> None:
    crowd = tiny_crowd("a")
    assert rescale(crowd, 1.0) is crowd


def test_a_scale_that_would_fill_the_memory_is_refused() -> None:
    image = torch.zeros(1, dtype=torch.uint8).expand(3, 6000, 6000)
    with pytest.raises(InputError, match=r"data\.scale 2\.0 makes it 12000 x 12000"):
        rescale(replace(tiny_crowd("a"), image=image), 2.0)


def test_clamping_keeps_heads_below_the_sides() -> None:
    points = torch.tensor([[-1.0, 5.0], [64.0, 48.0], [63.5, 47.5]])
    assert clamp_inside(points, 48, 64).floor().tolist() == [[0, 5], [63, 47], [63, 47]]


def test_sources_give_crowds_at_their_scale(tmp_path: Path) -> None:
    crowd = ShanghaiTech(root=shanghaitech(tmp_path), scale=0.5).load_training()[0]
    assert crowd.image.shape == (3, 24, 32)
    assert crowd.points.tolist() == [[5.25, 6.0], [20.0, 10.125]]
