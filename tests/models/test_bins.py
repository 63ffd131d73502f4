from collections.abc import Callable, Sequence

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.models.bins import Bins, bin_values


def crowd(points: Sequence[tuple[float, float]], height: int = 32, width: int = 40) -> Crowd:
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    return Crowd(image, torch.tensor(points).reshape(-1, 2).float(), "crowd")


def test_the_nearest_bin_of_a_number_of_people() -> None:
    people = torch.tensor([0.0, 0.49, 0.5, 1.4, 2.5, 3.49, 3.5, 4.0, 250.0])
    assert Bins().classes(people).tolist() == [0, 0, 1, 1, 3, 3, 4, 4, 4]


@pytest.mark.parametrize(
    "values", [(0.0, 1.0, 2.0, 3.0), (0.0, 1.0, 3.0, 2.0, 4.4), (0.0, 1.0, 2.0, 3.0, float("nan"))]
)
def test_values_that_are_no_bins_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Bins(values=values)


def test_the_last_bin_by_hand() -> None:
    # Windows that start in columns 5 to 9 hold the first three heads, in 10 all four, in 11 the last three.
    heads = [(10.0, 10.0), (11.0, 10.0), (12.0, 10.0), (17.0, 10.0)]
    assert bin_values([crowd(heads)], truncation=3) == (0.0, 1.0, 2.0, (5 * 3 + 4 + 3) / 7)
    assert bin_values([crowd(heads)]) == (0.0, 1.0, 2.0, 3.0, 4.0)


def test_heads_are_rounded_to_pixels_that_count_once_and_stay_inside() -> None:
    twins = [(10.4, 10.4), (9.6, 9.6), (10.0, 10.0)]
    assert bin_values([crowd(twins)], truncation=1) == (0.0, 1.0)
    assert bin_values([crowd([(39.9, 31.9), (-0.4, 0.0)])], truncation=1) == (0.0, 1.0)


def test_windows_of_all_images_are_weighed_alike() -> None:
    pair = crowd([(20.0, 16.0), (20.0, 17.0)])
    few = crowd([(20.0, 16.0)])
    assert bin_values([pair, few, crowd([])], truncation=1)[-1] == pytest.approx((56 * 2 + 16 + 64) / (72 + 64))


def test_without_a_full_window_the_last_bin_stands_for_its_least() -> None:
    assert bin_values([crowd([]), crowd([(1.0, 1.0)], height=4, width=4)]) == (0.0, 1.0, 2.0, 3.0, 4.0)


def test_against_sliding_the_window_by_hand() -> None:
    points = torch.rand(60, 2) * torch.tensor([40.0, 32.0])
    pixels = torch.zeros(32, 40)
    for x, y in points.round().long().tolist():
        pixels[min(y, 31), min(x, 39)] = 1
    counts = torch.tensor([pixels[y : y + 8, x : x + 8].sum() for y in range(25) for x in range(33)])
    expected = counts[counts >= 4].mean().item()
    assert bin_values([crowd(points.tolist())])[-1] == pytest.approx(expected)


def test_part_b_gives_the_published_value(part_b_heads: Callable[[int], Tensor]) -> None:
    image = torch.zeros(3, 1, 1, dtype=torch.uint8).expand(3, 768, 1024)
    values = bin_values(Crowd(image, part_b_heads(number), str(number)) for number in range(1, 401))
    assert values[-1] == pytest.approx(4.410, abs=0.005)
