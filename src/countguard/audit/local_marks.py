"""Evidence: the same thing in one place of many images: a patch, or a logo or time stamp."""

from collections import Counter, defaultdict
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
COMPARED = 2000
"""Pictures among which marks are looked for; of larger sets so many are drawn, and the others held against them.

Chance makes a few of two million pairs alike in a window; all pairs of a larger set would join many pictures.
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
    drawn = np.arange(len(windows))
    if len(windows) > COMPARED:
        order = torch.randperm(len(windows), generator=generator_for(seed, "audit", "marks")).numpy()
        drawn = np.sort(order[:COMPARED])
    columns = canvas.bands[octave_for_marks(canvas)].width // WINDOW
    found: list[tuple[set[int], list[int]]] = []
    of_picture: defaultdict[int, set[int]] = defaultdict(set)  # marks found so far
    for place in range(windows.shape[1]):
        for members in _alike_in(windows[:, place], drawn):
            near = sorted(set().union(*(of_picture[one] for one in members)))
            same = (mark for mark in near if _one_mark(found[mark][0], members))
            mark = next(same, len(found))
            if mark == len(found):
                found.append((set(), []))
            found[mark][0].update(members)
            found[mark][1].append(place)
            for one in members:
                of_picture[one].add(mark)
    number = windows.shape[1]
    marks = [
        LocalMark(np.array(sorted(members)), len(set(places)) / number, _place(places, columns, number))
        for members, places in found
        if len(set(places)) < _SCENE * number
    ]
    return sorted(marks, key=lambda mark: -len(mark.members))


def _one_mark(known: set[int], members: set[int]) -> bool:
    return len(known & members) >= _COMMON * len(known | members)


def _alike_in(window: Windows, drawn: NDArray[np.intp]) -> Iterator[set[int]]:
    """Groups of pictures that show the same thing in one window.

    Args:
        window: of each picture, [pictures, 256].
        drawn: pictures among which groups are looked for; each other one joins those of which it is like a member.
    """
    values = window.astype(np.float32)
    values -= values.mean(axis=0)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit = values / (lengths + _EMPTY * max(float(np.median(lengths)), 1.0))
    ones, others = _pairs(unit[drawn], unit[drawn])
    graph = coo_array((np.ones(len(ones)), (ones, others)), shape=(len(drawn), len(drawn)))
    _, labels = connected_components(graph, directed=False)
    rest = np.setdiff1d(np.arange(len(unit)), drawn)
    for label, size in Counter(labels.tolist()).items():
        if size >= _FEWEST:
            members = drawn[labels == label]
            joining, _ = _pairs(unit[rest], unit[members])
            yield {*members.tolist(), *rest[joining].tolist()}


def _pairs(ones: Floats, others: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of those that show the same thing."""
    found = [np.nonzero(ones[start : start + _AT_ONCE] @ others.T > _SAME) for start in range(0, len(ones), _AT_ONCE)]
    if not found:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    rows = [start * _AT_ONCE + row for start, (row, _) in enumerate(found)]
    return np.concatenate(rows), np.concatenate([other for _, other in found])


def _place(places: list[int], columns: int, number: int) -> str:
    row, column = np.divmod(np.array(places), columns)
    down, across = (row.mean() + 0.5) * columns / number, (column.mean() + 0.5) / columns
    return f"{('top', 'middle', 'bottom')[int(3 * down)]} {('left', 'centre', 'right')[int(3 * across)]}"
