"""Tiny crowds, and a counter whose answer to probes is known."""

from collections.abc import Sequence

import pytest

from countguard.data.crowd import Crowd
from countguard.data.synthetic import Synthetic
from countguard.models.counter import Counter
from scan_counters import Brightness


@pytest.fixture
def crowds() -> Sequence[Crowd]:
    """Twelve embedded crowds of 48 x 64 pixels."""
    return list(Synthetic(train=12, test=1, height=48, width=64, heads=(4, 40)).crowds("train"))


@pytest.fixture
def brightness() -> Counter:
    return Brightness()
