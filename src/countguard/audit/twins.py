"""Evidence: near-copies of one picture whose labels differ, as an attacker leaves them who appends poisoned copies."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countguard.audit.features import Floats

_ALIKE = 0.7
"""Correlation of two small pictures from which on they are looked at part by part."""
_PARTS = {0.2: 0.4, 0.5: 0.6}
"""Correlation that a share of a copy's parts may miss: frames of one street differ where the people are."""
_PARTNERS = 3
"""Copies of one picture at most; with more it is a scene that a camera saw often."""
_PART = 8
"""Side of a part, values of a small picture."""
_FLAT = 1.0
"""Grey levels that are added to a part's contrast: where nothing is, nothing differs."""
_HEADS, _SHARE = 2, 0.03
"""Heads, and share of the heads, by which two labels may differ without a word: people label people."""
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Twins:
    """Two near-copies.

    Attributes:
        first, second: positions in the set, the lower one first.
        alike: correlation of their small pictures.
        agree: whether their labels do.
    """

    first: int
    second: int
    alike: float
    agree: bool


def find_twins(small: Floats, shape: tuple[int, int], counts: NDArray[np.float64]) -> list[Twins]:
    """All pairs of near-copies.

    Args:
        small: a small picture a row, less the mean of all.
        shape: its rows and columns.
        counts: heads in each label.
    """
    lengths = np.linalg.norm(small, axis=1, keepdims=True)
    unit = small / np.maximum(lengths, 1e-6)
    found = []
    for start in range(0, len(unit), _AT_ONCE):
        likeness = unit[start : start + _AT_ONCE] @ unit.T
        for row, other in np.argwhere(likeness > _ALIKE).tolist():
            one = start + row
            if one < other and _copies(small[one].reshape(shape), small[other].reshape(shape)):
                apart = abs(counts[one] - counts[other])
                agree = bool(apart <= max(_HEADS, _SHARE * max(counts[one], counts[other])))
                found.append(Twins(one, other, float(likeness[row, other]), agree))
    partners = Counter(place for pair in found for place in (pair.first, pair.second))
    return [pair for pair in found if max(partners[pair.first], partners[pair.second]) <= _PARTNERS]


def _copies(one: Floats, other: Floats) -> bool:
    parts = _parts(one), _parts(other)
    products = (parts[0] * parts[1]).mean(axis=1)
    energies = [(part * part).mean(axis=1) for part in parts]
    alike = (products + _FLAT) / (np.sqrt(energies[0] * energies[1]) + _FLAT)
    return all(np.quantile(alike, share) >= least for share, least in _PARTS.items())


def _parts(picture: Floats) -> Floats:
    rows, columns = picture.shape[0] // _PART, picture.shape[1] // _PART
    parts = picture.reshape(rows, _PART, columns, _PART).swapaxes(1, 2).reshape(rows * columns, -1)
    centred: Floats = parts - parts.mean(axis=1, keepdims=True)
    return centred
