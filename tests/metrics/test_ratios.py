"""Which ratios count as right and which as a success: every ratio once, the paper's edges included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countguard.metrics.ratios import ACCURATE, success_ranges

UP, DOWN = success_ranges(1), success_ranges(-1)
ONE, TINY = 1.0, 1e-9


def held(ranges: dict[str, object], ratio: float) -> set[str]:
    return {name for name, band in ranges.items() if band.holds(np.array([ratio]))[0]}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ratio", "bands"),
    [
        (1.1, set()),
        (1.1 + TINY, {"rho_asr", "rho_asr_10_30"}),
        (1.3 - TINY, {"rho_asr", "rho_asr_10_30"}),
        (1.3, {"rho_asr", "rho_asr_30_50"}),
        (1.5 - TINY, {"rho_asr", "rho_asr_30_50"}),
        (1.5, {"rho_asr", "rho_asr_50_100"}),
        (2 - TINY, {"rho_asr", "rho_asr_50_100"}),
        (2.0, {"rho_asr", "rho_asr_100"}),
        (np.inf, {"rho_asr", "rho_asr_100"}),
    ],
)
def test_the_edges_of_an_inflated_count(ratio: float, bands: set[str]) -> None:
    assert held(dict(UP), ratio) == bands


@pytest.mark.parametrize(
    ("ratio", "bands"),
    [
        (0.9, set()),
        (0.9 - TINY, {"rho_asr", "rho_asr_10_30"}),
        (0.7, {"rho_asr", "rho_asr_10_30"}),
        (0.7 - TINY, {"rho_asr", "rho_asr_30_50"}),
        (0.5, {"rho_asr", "rho_asr_30_50"}),
        (0.5 - TINY, {"rho_asr", "rho_asr_50_100"}),
        (0.0, {"rho_asr", "rho_asr_50_100"}),
        (-3.0, {"rho_asr", "rho_asr_50_100"}),
    ],
)
def test_the_edges_of_a_deflated_count(ratio: float, bands: set[str]) -> None:
    assert held(dict(DOWN), ratio) == bands


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_right_is_closed_at_both_ends(ratio: float) -> None:
    assert ACCURATE.holds(np.array([ratio]))[0]
    assert not ACCURATE.holds(np.array([0.9 - TINY, 1.1 + TINY])).any()


@pytest.mark.parametrize(("estimate", "truth"), [(9, 10), (27, 30), (11, 10), (33, 30), (99, 90), (253, 230)])
def test_edges_hold_for_ratios_of_whole_heads(estimate: int, truth: int) -> None:
    ratio = np.array([estimate / truth])
    assert ACCURATE.holds(ratio)[0]
    assert not UP["rho_asr"].holds(ratio)[0]
    assert not DOWN["rho_asr"].holds(ratio)[0]


@given(ratio=st.one_of(st.floats(-10, 10), st.sampled_from([0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 2.0])))
def test_every_ratio_is_right_or_a_success_one_way_and_in_one_band(ratio: float) -> None:
    array = np.array([ratio])
    kinds = [ACCURATE.holds(array)[0], UP["rho_asr"].holds(array)[0], DOWN["rho_asr"].holds(array)[0]]
    assert sum(kinds) == 1
    for ranges in (UP, DOWN):
        bands = sum(int(band.holds(array)[0]) for name, band in ranges.items() if name != "rho_asr")
        assert bands == int(ranges["rho_asr"].holds(array)[0])


def test_an_attack_that_keeps_the_count_has_no_success() -> None:
    assert success_ranges(0) == {}
    assert "rho_asr_100" not in DOWN
