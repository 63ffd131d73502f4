"""What formats of labelled objects share: which classes are people, and where in a shape the head is."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from countguard.data.annotated import FileSource
from countguard.data.look import some
from countguard.errors import InputError

Place: TypeAlias = Literal["centre", "top"]
"""Where in a box the head is taken to be: its centre, or the middle of its upper edge."""

HEADS = frozenset(["head", "heads", "face", "faces", "dot", "dots", "point", "points", "kopf", "tete"])
BODIES = frozenset(["person", "persons", "people", "pedestrian", "pedestrians", "human", "humans", "man", "crowd"])
MAX_OBJECTS = 20_000_000
"""Objects in one label file."""


class ObjectSource(FileSource):
    """A set whose labels are objects of several classes, boxes or points.

    Attributes:
        classes: those that are counted; None counts the only one there is, or those that are called people.
        point: where in a box the head is.
    """

    classes: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    point: Place = "centre"


def counted_classes(counts: Mapping[str, int], wanted: Sequence[str] | None, where: object) -> set[str]:
    """The classes that are people.

    Args:
        counts: of the objects of each class.
        wanted: by the user; None to tell by their names.
        where: the label file.

    Raises:
        InputError: a wanted class is not there, or the names do not tell which ones are people.
    """
    there = some(sorted(counts)) or "none"
    if wanted is not None:
        if missing := [name for name in wanted if name not in counts]:
            raise InputError(f"{where}: data.classes names {missing[0]!r}; the classes are {there}")
        return set(wanted)
    if len(counts) <= 1:
        return set(counts)
    heads, bodies = ({name for name in counts if name.casefold().strip() in words} for words in (HEADS, BODIES))
    found, says = heads | bodies, "data.classes=[...] says which are counted"
    if heads and bodies:
        raise InputError(f"{where}: has heads and whole people ({some(sorted(found))}); {says}")
    if not found:
        raise InputError(f"{where}: none of its classes is called people; {says}; the classes are {there}")
    return found


def classes_note(counts: Mapping[str, int], counted: set[str]) -> str:
    """One line on the classes that were counted and those left out."""
    groups = {"counted": sorted(set(counts) & counted), "left out": sorted(set(counts) - counted)}
    parts = [f"{verb}: {some([_counted(name, counts) for name in names])}" for verb, names in groups.items() if names]
    return "objects " + "; ".join(parts)


def _counted(name: str, counts: Mapping[str, int]) -> str:
    return f"{name or 'no name'} ({counts[name]})"


def box_point(x: float, y: float, width: float, height: float, place: Place) -> tuple[float, float]:
    """The head of a box that is given by its upper left corner and its sides."""
    return x + width / 2, (y if place == "top" else y + height / 2)


def as_points(points: Iterable[tuple[float, float]]) -> NDArray[np.float64]:
    """Points as float64 [heads, 2]."""
    return np.array(list(points), dtype=np.float64).reshape(-1, 2)


def given(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points that are there already, for an `Annotation` that asks for them later."""
    return points


def number(value: Any, where: str) -> float:
    """A finite number of a label file, also where it stands as text.

    Raises:
        InputError: it is none; begins with `where`.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise InputError(f"{where}: {str(value)[:40]!r} should be a number") from None


def tally(names: Iterable[str]) -> dict[str, int]:
    """How often each name comes, in order."""
    return dict(sorted(Tally(names).items()))
