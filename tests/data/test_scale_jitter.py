"""Crowds enlarged and shrunk in their frame: heads stay on their people, and copies of people bring copies of heads."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from countguard.data.augment import Augmentation
from countguard.data.crowd import Crowd
from countguard.data.scale_jitter import ScaleJitter, framed


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def people(height: int, width: int, points: list[tuple[float, float]]) -> Crowd:
    """White squares of 5 x 5 pixels round each head, on black."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    for x, y in points:
        image[:, int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] = 255
    return Crowd(image, torch.tensor(points).reshape(-1, 2), "people")


@given(seed=st.integers(0, 999), factor=st.floats(0.6, 1.6))
def test_every_head_stays_on_a_person_and_the_frame_keeps_its_size(seed: int, factor: float) -> None:
    crowd = people(48, 64, [(10.5, 10.5), (30.5, 24.5), (50.5, 36.5)])
    changed = ScaleJitter(probability=1, factor=(factor, factor))(crowd, generator(seed))
    assert changed.image.shape == crowd.image.shape
    x, y = changed.points.floor().long().unbind(dim=1)
    assert (changed.image[0, y, x] > 60).all()


def test_what_is_shrunk_goes_on_at_the_side_with_its_heads() -> None:
    crowd = people(40, 60, [(20.5, 20.5)])
    shrunk = framed(crowd, 20, 30, top=10, left=0)
    assert shrunk.points.tolist() == [[10.25, 20.25], [40.25, 20.25]]
    assert torch.equal(shrunk.image[..., :30], shrunk.image[..., 30:])
    assert torch.equal(shrunk.image[:, 0], shrunk.image[:, 10])
    assert torch.equal(shrunk.image[:, 39], shrunk.image[:, 29])


def test_what_is_enlarged_loses_those_who_leave_the_frame() -> None:
    crowd = people(40, 60, [(5.5, 20.5), (50.5, 20.5), (30.5, 4.5)])
    enlarged = framed(crowd, 80, 120, top=-20, left=60)
    assert enlarged.points.tolist() == [[41.0, 21.0]]


def test_a_frame_that_begins_late_in_the_picture_goes_on_with_its_first_columns() -> None:
    crowd = people(40, 60, [(5.5, 20.5), (50.5, 20.5)])
    assert framed(crowd, 40, 60, top=0, left=40).points.tolist() == [[10.5, 20.5], [25.5, 20.5]]


def test_a_factor_of_one_changes_nothing_but_the_first_column() -> None:
    crowd = people(40, 60, [(5.5, 20.5), (50.5, 20.5)])
    changed = ScaleJitter(probability=1, factor=(1, 1))(crowd, generator(0))
    assert changed.count == 2
    assert torch.equal(changed.image.sum(dim=(1, 2)), crowd.image.sum(dim=(1, 2)))


def test_the_generator_decides_and_the_probability_says_how_often() -> None:
    crowd = people(40, 60, [(5.5, 20.5), (50.5, 20.5)])
    jitter = ScaleJitter(probability=0.5)
    assert torch.equal(jitter(crowd, generator(1)).image, jitter(crowd, generator(1)).image)
    assert 60 < sum(jitter(crowd, generator(seed)) is not crowd for seed in range(200)) < 140


def test_an_augmentation_scales_a_crowd_without_heads() -> None:
    crowd = replace(people(24, 24, []), id="empty")
    assert Augmentation(scale=ScaleJitter(probability=1))(crowd, generator(0)).count == 0


def test_factors_stand_in_order() -> None:
    with pytest.raises(ValidationError, match="the first number is the smaller one"):
        ScaleJitter(factor=(1.2, 0.8))
