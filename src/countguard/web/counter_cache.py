"""The counters that the page keeps in memory."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from countguard.models import load_counter
from countguard.models.counter import Counter


class CounterCache:
    """Loads counters from their files and keeps those used last.

    One counter is used at a time, because Grad-CAM puts hooks into the network while it runs, and two visitors who
    share a counter would see each other's activations.

    Args:
        capacity: counters that are kept.
    """

    def __init__(self, capacity: int = 8) -> None:
        self._capacity = capacity
        self._lock = Lock()
        self._kept: OrderedDict[tuple[Path, int], Counter] = OrderedDict()

    @contextmanager
    def using(self, file: Path) -> Iterator[Counter]:
        """The counter of a file, for one caller at a time; it is loaded again if the file has changed.

        Raises:
            InputError: see `load_counter`.
        """
        with self._lock:
            key = (file, file.stat().st_mtime_ns if file.is_file() else 0)
            if key not in self._kept:
                self._kept[key] = load_counter(file)
            self._kept.move_to_end(key)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
            yield self._kept[key]
