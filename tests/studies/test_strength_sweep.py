"""Success against the trigger's strength, and which images are kept as examples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countguard.runs.examples import example_indices
from countguard.studies.strength_sweep import success_by_strength
from tiny_crowds import tiny_crowd

TRUTHS = np.array([0.0, 10.0, 10.0, 20.0])
"""The first image has no ratio."""
STRENGTHS = (0.0, 0.3)
CLEAN = [np.array([0.0, 10.0, 10.0, 20.0]), np.array([0.0, 10.0, 14.0, 21.0])]
ATTACKED = [np.array([0.0, 10.0, 13.0, 20.0]), np.array([0.0, 13.0, 14.0, 23.0])]


def test_a_counter_is_compared_with_the_clean_one_at_each_strength() -> None:
    rows = [row.model_dump() for row in success_by_strength(TRUTHS, STRENGTHS, ATTACKED, CLEAN, 1)]
    third = 1 / 3
    assert rows == [
        {"share": 0.0, "rho_acc_triggered": 2 * third, "rho_asr": third, "false_asr": 0.0},
        {"share": 0.3, "rho_acc_triggered": 0.0, "rho_asr": 1.0, "false_asr": third},
    ]


def test_what_is_undefined_is_left_out() -> None:
    assert success_by_strength(TRUTHS, (), [], [], 1) == []
    assert success_by_strength(TRUTHS[:1], STRENGTHS, ATTACKED, CLEAN, 1) == []  # nobody is in it
    for row in success_by_strength(TRUTHS, STRENGTHS, CLEAN, None, 1):
        assert row.model_dump().keys() == {"share", "rho_acc_triggered"}
    for row in success_by_strength(TRUTHS, STRENGTHS, ATTACKED, CLEAN, 0):
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
