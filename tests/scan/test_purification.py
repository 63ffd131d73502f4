"""Pictures that are changed a little before they are counted."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.data.crowd import Crowd
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.scan.guard import Guard
from countguard.scan.purification import PURIFICATIONS, Purified, down_and_up


@pytest.mark.parametrize("name", PURIFICATIONS)
@given(height=st.integers(8, 30), width=st.integers(8, 30), level=st.integers(0, 255))
def test_a_plain_picture_stays_as_it_is(name: str, height: int, width: int, level: int) -> None:
    plain = torch.full((2, 3, height, width), level, dtype=torch.uint8)
    purified = PURIFICATIONS[name](plain)
    assert purified.shape == plain.shape
    assert purified.dtype == torch.uint8
    assert (purified.int() - plain.int()).abs().max() <= 1


@pytest.mark.parametrize("name", PURIFICATIONS)
def test_fine_noise_is_weakened(name: str) -> None:
    noise = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert PURIFICATIONS[name](noise).float().std() < 0.9 * noise.float().std()


def test_a_purified_counter_counts_the_purified_picture(crowds: Sequence[Crowd]) -> None:
    counter = build_counter("lite", channels=2)
    images = torch.stack([crowd.image for crowd in crowds])
    purified = Purified(counter, down_and_up)
    assert torch.equal(purified.count(images), counter.count(as_input(down_and_up(images))))
    assert torch.equal(purified.count(as_input(images)), purified.count(images))


def test_it_makes_a_guard_without_a_repair(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    guard = Guard(brightness, Purified(brightness, PURIFICATIONS["median"]))
    guard.calibrate(crowds)
    sparkling = crowds[0].image.clone()
    sparkling[:, ::3, ::3] = 255
    assert guard.look(sparkling[None])[0].alarm
    assert not guard.look(crowds[1].image[None])[0].alarm
