import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countguard.reports.figures.window import largest_change


def test_window_covers_the_people_who_vanished() -> None:
    before = np.zeros((12, 16), np.float32)
    before[8:11, 3:7] = 1.0
    window = largest_change(before, np.zeros_like(before), share=0.25)
    assert (window.height, window.width) == (3, 4)
    assert (window.top, window.left) == (8, 3)
    assert window.change == -12.0


def test_what_only_moves_inside_the_window_cancels_out() -> None:
    before, after = np.zeros((9, 9), np.float32), np.zeros((9, 9), np.float32)
    before[1:7:2, 1:7:2], after[2:8:2, 2:8:2] = 5.0, 5.0
    assert largest_change(before, after, share=1.0).change == 0.0


@given(st.integers(1, 7), st.integers(1, 7), st.floats(0.01, 1.0), st.integers(0, 100))
def test_window_lies_inside_and_no_window_changes_more(rows: int, columns: int, share: float, seed: int) -> None:
    after = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    window = largest_change(np.zeros_like(after), after, share)
    assert window.top + window.height <= rows
    assert window.left + window.width <= columns
    sums = [
        after[top : top + window.height, left : left + window.width].sum(dtype=np.float64)
        for top in range(rows - window.height + 1)
        for left in range(columns - window.width + 1)
    ]
    assert abs(window.change) >= max(map(abs, sums)) - 1e-9
