"""Rolled crowds and strips of other ones: every head keeps its pixel, and no head is lost or made up."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from countguard.data.augment import Augmentation
from countguard.data.crowd import Crowd
from countguard.data.cutmix import CutMix, roll


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def beacons(height: int, width: int, heads: int, seed: int, level: int = 255) -> Crowd:
    """A black image with a lit pixel under each head; heads sit in the middle of different pixels."""
    pixels = torch.randperm(height * width, generator=generator(seed))[:heads]
    points = torch.stack([pixels % width, pixels // width], dim=1).float() + 0.5
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, pixels // width, pixels % width] = level
    return Crowd(image, points, f"beacons-{seed}")


def lit(crowd: Crowd) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for y, x in crowd.image[0].nonzero()}


def stood_on(crowd: Crowd) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for x, y in crowd.points.floor()}


sizes = st.integers(8, 40)


@given(height=sizes, width=sizes, heads=st.integers(0, 20), columns=st.integers(0, 100), seed=st.integers(0, 99))
def test_a_roll_moves_pixels_and_heads_alike_and_loses_none(
    height: int, width: int, heads: int, columns: int, seed: int
) -> None:
    crowd = beacons(height, width, heads, seed)
    rolled = roll(crowd, columns)
    assert lit(rolled) == stood_on(rolled)
    assert rolled.count == crowd.count
    assert torch.equal(roll(rolled, -columns % width).image, crowd.image)


@given(height=sizes, width=sizes, heads=st.integers(0, 20), seed=st.integers(0, 999))
def test_strips_bring_their_heads_and_take_those_they_cover(height: int, width: int, heads: int, seed: int) -> None:
    crowd, other = beacons(height, width, heads, seed), beacons(height, width, 9, seed + 1)
    before = crowd.image.clone()
    changed = CutMix(probability=1)(crowd, [other], generator(seed))
    assert changed.image.shape == crowd.image.shape
    assert lit(changed) == stood_on(changed)
    assert len(stood_on(changed)) == changed.count
    assert torch.equal(crowd.image, before)


def test_a_strip_is_as_wide_as_the_settings_say_and_as_high_as_the_image() -> None:
    dark, bright = (
        beacons(20, 50, 0, 0),
        Crowd(torch.full((3, 20, 50), 9, dtype=torch.uint8), torch.zeros(0, 2), "bright"),
    )
    changed = CutMix(probability=1, width=(0.4, 0.4), roll=0)(dark, [bright], generator(0))
    columns = (changed.image[0] == 9).sum(dim=1)
    assert (columns == 20).all()


def test_a_crowd_of_another_size_is_brought_to_this_one() -> None:
    other = Crowd(torch.full((3, 40, 100), 9, dtype=torch.uint8), torch.tensor([[50.0, 20.0]]), "large")
    changed = CutMix(probability=1, width=(1, 1), roll=0)(beacons(20, 50, 4, 0), [other], generator(0))
    assert changed.image.shape == (3, 20, 50)
    assert changed.points.tolist() == [[25.0, 10.0]]


def test_without_others_the_crowd_is_only_rolled() -> None:
    crowd = beacons(12, 30, 7, 1)
    assert CutMix(probability=1)(crowd, [], generator(3)).count == 7


def test_the_generator_decides() -> None:
    crowd, others = beacons(16, 40, 9, 1), [beacons(16, 40, 5, 2), beacons(16, 40, 3, 3)]
    first, again, other = (CutMix()(crowd, others, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.image, other.image)


def test_an_augmentation_cuts_strips_of_the_crowds_at_hand() -> None:
    crowd, other = beacons(16, 40, 9, 1), beacons(16, 40, 5, 2)
    augmentation = Augmentation(cutmix=CutMix(probability=1, width=(1, 1)), flip=1)
    assert augmentation(crowd, generator(5), [other]).count == 5


def test_widths_stand_in_order() -> None:
    with pytest.raises(ValidationError, match="the first number is the smaller one"):
        CutMix(width=(0.5, 0.2))
