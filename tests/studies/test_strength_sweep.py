"""Success against the trigger's share, and which images are kept as examples."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.attacks.triggers import Blend
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.runs.examples import example_indices
from countguard.studies.strength_sweep import success_by_strength
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(f"crowd-{index}", heads=index, seed=index) for index in range(6)]
SHARES = (0.0, 0.3, 1.0)


@pytest.fixture(scope="module")
def counter() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite").eval()


def test_a_counter_is_compared_with_the_clean_one_at_each_share(counter: Counter) -> None:
    rows = success_by_strength(counter, counter, CROWDS, Blend(), SHARES, 1, seed=0)
    assert [row.share for row in rows] == list(SHARES)
    assert all(row.rho_asr == row.false_asr for row in rows)
    assert all(row.rho_acc_triggered is not None and 0 <= row.rho_acc_triggered <= 1 for row in rows)


def test_what_is_undefined_is_left_out(counter: Counter) -> None:
    assert success_by_strength(counter, counter, CROWDS, Blend(), (), 1, seed=0) == []
    assert success_by_strength(counter, counter, CROWDS[:1], Blend(), SHARES, 1, seed=0) == []  # nobody is in it
    for clean, direction in ((None, 1), (counter, 0)):
        for row in success_by_strength(counter, clean, CROWDS, Blend(), SHARES, direction, seed=0):  # type: ignore[arg-type]
            assert row.model_dump().keys() == {"share", "rho_acc_triggered"}


@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=30), wanted=st.integers(0, 40))
def test_examples_are_different_images_of_growing_count_from_the_median_up(counts: list[int], wanted: int) -> None:
    crowds = [tiny_crowd(f"{place:02d}", heads=count, height=8, width=8) for place, count in enumerate(counts)]
    chosen = example_indices(crowds, wanted)
    assert len(set(chosen)) == len(chosen) <= wanted
    kept = [counts[index] for index in chosen]
    assert kept == sorted(kept)
    if wanted >= len(counts):
        assert sorted(chosen) == list(range(len(counts)))
    elif chosen:
        assert kept[0] >= int(np.quantile(counts, 0.4, method="lower"))
