"""A bound on the pixels that are decoded or encoded at one time, over all threads of a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

LIMIT = 1 << 25
"""Pixels. A decoder takes up to twelve bytes for each, however small the file is."""


class InFlight:
    """Lets threads work on pictures at once as long as these have at most `limit` pixels together, or on one alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pixels = 0
        self._freed = Condition()

    @contextmanager
    def holding(self, pixels: int) -> Iterator[None]:
        """Waits until there is room for so many pixels, and takes it for the block."""
        with self._freed:
            self._freed.wait_for(lambda: self._pixels == 0 or self._pixels + pixels <= self._limit)
            self._pixels += pixels
        try:
            yield
        finally:
            with self._freed:
                self._pixels -= pixels
                self._freed.notify_all()


PICTURES = InFlight(LIMIT)
"""One for the process, as its memory is one; it is a lock, and holds nothing of any picture."""
