"""Work on all cores of this process."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

from threadpoolctl import threadpool_limits

One = TypeVar("One")
Result = TypeVar("Result")


class Each(Protocol):
    """Calls a function on each of some things, several at a time; gives the results in their order."""

    def __call__(self, function: Callable[[One], Result], things: Iterable[One], /) -> Iterator[Result]:
        """See `Each`."""
        ...


@contextmanager
def on_all_cores() -> Iterator[Each]:
    """One thread on each core. BLAS has one thread in each: the products are small, and its own would only wait."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield pool.map
