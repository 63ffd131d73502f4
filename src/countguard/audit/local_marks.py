"""Evidence: the same thing in one place of many images: a patch, or a logo or time stamp."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from countguard.audit.features import Canvas, Floats
from countguard.audit.local_means import box_mean
from countguard.seeds import generator_for

Windows: TypeAlias = NDArray[np.int8]

WINDOW = 16
"""Side of a window, values of its octave."""
_FLOOR = 2.0
"""Grey levels of contrast that count as flat."""
_CLIP = 3.0
_STEPS = 127 / _CLIP
_SAME = 0.5
"""Cosine from which on two windows show the same thing; unlike ones of one place stay below .45, nearly always."""
_EMPTY = 0.2
"""Part of a window's usual length that is added: where there is nothing, nothing is the same."""
_FEWEST = 3
"""Images that a mark is in at least."""
_COMMON = 0.5
"""Share of members that two windows' groups have in common to be one mark."""
_SCENE = 0.25
"""Share of the frame from which on it is no mark but a scene."""
_MANY, _DRAWN = 20_000, 4_000
"""Pictures from which on they are held against some that are drawn, and how many those are.

A mark in one of a thousand pictures is then in four of those drawn, which lead to all others.
"""
_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class LocalMark:
    """Images that show the same thing in some windows.

    Attributes:
        members: positions in the set, ascending.
        covers: share of the frame.
        place: in words.
    """

    members: NDArray[np.intp]
    covers: float
    place: str


def octave_for_marks(canvas: Canvas) -> int:
    """The place among the canvas's bands of the octave that marks are looked for in."""
    level = max(0, canvas.side.bit_length() - (2 * WINDOW).bit_length())
    return next(place for place, band in enumerate(canvas.bands) if (band.channel, band.level) == ("y", level))


def windows_of(octaves: list[Floats], canvas: Canvas) -> Windows:
    """Contrast of a picture in windows of one octave: int8 [windows, 256].

    Divided by the local deviation, not by the variance as features are: a mark has strong edges, and is opaque.

    Args:
        octaves: as `raw_bands` gives them.
        canvas: of the set.
    """
    octave = octaves[octave_for_marks(canvas)]
    deviation = np.sqrt(box_mean(octave * octave, 9) + _FLOOR**2)
    steps = np.rint(_STEPS * np.clip(octave / deviation, -_CLIP, _CLIP)).astype(np.int8)
    rows, columns = steps.shape[0] // WINDOW, steps.shape[1] // WINDOW
    cut = steps[: rows * WINDOW, : columns * WINDOW].reshape(rows, WINDOW, columns, WINDOW)
    windows: Windows = cut.swapaxes(1, 2).reshape(rows * columns, WINDOW**2)
    return windows


def local_marks(windows: Windows, canvas: Canvas, seed: int) -> list[LocalMark]:
    """All marks, those of most images first.

    Args:
        windows: of each picture, [pictures, windows, 256].
        canvas: of the set.
        seed: draws those that very many pictures are held against.
    """
    against = np.arange(len(windows))
    if len(windows) > _MANY:
        order = torch.randperm(len(windows), generator=generator_for(seed, "audit", "marks")).numpy()
        against = np.sort(order[:_DRAWN])
    columns = canvas.bands[octave_for_marks(canvas)].width // WINDOW
    found: list[tuple[set[int], list[int]]] = []
    for place in range(windows.shape[1]):
        for members in _components(_same(windows[:, place], against), len(windows)):
            for known, places in found:
                if len(known & members) >= _COMMON * len(known | members):
                    known |= members
                    places.append(place)
                    break
            else:
                found.append((members, [place]))
    number = windows.shape[1]
    marks = [
        LocalMark(np.array(sorted(members)), len(set(places)) / number, _place(places, columns, number))
        for members, places in found
        if len(set(places)) < _SCENE * number
    ]
    return sorted(marks, key=lambda mark: -len(mark.members))


def _same(window: Windows, against: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Pairs of pictures that show the same thing in one window; the second of each is one of `against`."""
    values = window.astype(np.float32)
    values -= values.mean(axis=0)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit = values / (lengths + _EMPTY * max(float(np.median(lengths)), 1.0))
    drawn = unit[against]
    for start in range(0, len(unit), _AT_ONCE):
        rows, places = np.nonzero(unit[start : start + _AT_ONCE] @ drawn.T > _SAME)
        others = against[places]
        apart = start + rows != others
        yield from zip((start + rows[apart]).tolist(), others[apart].tolist(), strict=True)


def _components(pairs: Iterator[tuple[int, int]], number: int) -> list[set[int]]:
    ends = np.array(list(pairs), dtype=np.intp).reshape(-1, 2)
    if not len(ends):
        return []
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(number, number))
    _, labels = connected_components(graph, directed=False)
    sizes = Counter(labels.tolist())
    return [set(np.flatnonzero(labels == label).tolist()) for label, size in sizes.items() if size >= _FEWEST]


def _place(places: list[int], columns: int, number: int) -> str:
    row, column = np.divmod(np.array(places), columns)
    down, across = (row.mean() + 0.5) * columns / number, (column.mean() + 0.5) / columns
    return f"{('top', 'middle', 'bottom')[int(3 * down)]} {('left', 'centre', 'right')[int(3 * across)]}"
