"""The kinds of counters, by the name that a recipe or a checkpoint gives them."""

from collections.abc import Callable
from typing import TypeVar

from countguard.errors import InputError
from countguard.models.counter import Counter

COUNTERS: dict[str, type[Counter]] = {}
"""Every kind that can be built from its name and settings alone."""

C = TypeVar("C", bound=Counter)


def counter(kind: str) -> Callable[[type[C]], type[C]]:
    """Class decorator: enter a counter under `kind`."""

    def enter(cls: type[C]) -> type[C]:
        cls.kind = kind
        COUNTERS[kind] = cls
        return cls

    return enter


def counter_class(kind: str) -> type[Counter]:
    """The class of one kind.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in COUNTERS:
        raise InputError(f"model.kind {kind!r} is unknown; there are {', '.join(sorted(COUNTERS))}")
    return COUNTERS[kind]
