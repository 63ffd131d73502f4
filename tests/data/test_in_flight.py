"""Threads work on few pixels at a time, and on a picture of any size alone."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from countguard.data.in_flight import InFlight


@pytest.mark.parametrize("sizes", [[3, 4, 5, 2, 6, 1] * 5, [50, 1, 50, 10, 9] * 3])
def test_no_more_pixels_than_the_limit_unless_one_picture_has_them(sizes: list[int]) -> None:
    bound, lock, held, seen = InFlight(10), Lock(), list[int](), list[list[int]]()

    def work(pixels: int) -> None:
        with bound.holding(pixels):
            with lock:
                held.append(pixels)
                seen.append(list(held))
            time.sleep(0.001)
            with lock:
                held.remove(pixels)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, sizes))
    assert len(seen) == len(sizes)
    assert all(sum(together) <= 10 or len(together) == 1 for together in seen)
    assert any(len(together) > 1 for together in seen)


def test_room_is_given_back_by_work_that_fails() -> None:
    bound = InFlight(10)
    for _ in range(3):
        with pytest.raises(KeyError), bound.holding(10):
            raise KeyError
