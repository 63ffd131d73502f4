"""Evidence: near-copies of one picture, as an attacker leaves them who appends poisoned copies."""

from collections import Counter

import numpy as np

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
_AT_ONCE = 1024


def find_copies(small: Floats, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """All pairs of near-copies, the lower position first.

    Args:
        small: a small picture a row, less the mean of all.
        shape: its rows and columns.
    """
    unit = small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)
    found = []
    for start in range(0, len(unit), _AT_ONCE):
        for row, other in np.argwhere(unit[start : start + _AT_ONCE] @ unit.T > _ALIKE).tolist():
            one = start + row
            if one < other and _alike(small[one].reshape(shape), small[other].reshape(shape)):
                found.append((one, other))
    partners = Counter(place for pair in found for place in pair)
    return [pair for pair in found if max(partners[place] for place in pair) <= _PARTNERS]


def _alike(one: Floats, other: Floats) -> bool:
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
