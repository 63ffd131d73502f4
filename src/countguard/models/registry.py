"""The kinds of counters, by the name that a recipe or a checkpoint gives them."""

from collections.abc import Callable
from typing import TypeVar

from countguard.models.counter import Counter
from countguard.registry import Registry

COUNTERS: Registry[type[Counter]] = Registry(
    "model.kind", lambda entry: isinstance(entry, type) and issubclass(entry, Counter)
)
"""Every kind that can be built from its name and settings alone."""

C = TypeVar("C", bound=Counter)


def counter(kind: str) -> Callable[[type[C]], type[C]]:
    """A decorator that registers a counter class under `kind`."""

    def enter(cls: type[C]) -> type[C]:
        cls.kind = kind
        return COUNTERS.register(kind)(cls)

    return enter


def kind_of(counter: Counter) -> str | None:
    """The kind by which a counter's class is found again; None for a class without a kind."""
    cls = type(counter)
    return counter.kind if COUNTERS.get(counter.kind) is cls else COUNTERS.place_of(cls)
