import dataclasses

import pytest
import torch

from countguard.data.crowd import Crowd
from countguard.data.kernels import Fixed


def crowd(heads: int = 3, height: int = 6, width: int = 8) -> Crowd:
    return Crowd(torch.zeros(3, height, width, dtype=torch.uint8), torch.ones(heads, 2), "a")


@pytest.mark.parametrize("heads", [0, 1, 3])
def test_the_count_is_the_number_of_points(heads: int) -> None:
    assert crowd(heads).count == heads
    assert type(crowd(heads).count) is int


def test_height_comes_before_width() -> None:
    assert (crowd(height=6, width=8).height, crowd(height=6, width=8).width) == (6, 8)


def test_the_kernel_is_the_counters_choice_unless_the_data_set_names_one() -> None:
    assert crowd().kernel is None
    assert dataclasses.replace(crowd(), kernel=Fixed(4.0)).kernel == Fixed(4.0)


def test_a_crowd_is_changed_by_making_another_one() -> None:
    original = crowd(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        original.points = torch.zeros(0, 2)  # type: ignore[misc]
    fewer = dataclasses.replace(original, points=original.points[:1])
    assert (original.count, fewer.count) == (3, 1)
    assert fewer.image is original.image


def test_crowds_compare_by_identity_and_can_be_keys() -> None:
    first, second = crowd(), crowd()
    assert first != second
    assert len({first, second}) == 2
