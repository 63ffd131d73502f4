"""Evidence: near-copies of one picture, as an attacker leaves them who appends poisoned copies."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch

from countguard.audit.features import Floats
from countguard.seeds import generator_for

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
_MANY = 20_000
"""Pictures from which on pairs are screened by projections, a twelfth of the numbers."""
_PROJECTED = 256
_SCREENED = 0.5
"""Correlation of projections from which on a pair is looked at. They err by a sixteenth, so that of the pairs at
`_ALIKE` one in a thousand is missed."""
_AT_ONCE = 512


def find_copies(small: Floats, shape: tuple[int, int], seed: int) -> list[tuple[int, int]]:
    """All pairs of near-copies, the lower position first.

    Args:
        small: a small picture a row, less the mean of all.
        shape: its rows and columns.
        seed: of the projections by which the pairs of very many pictures are screened (Johnson and Lindenstrauss,
            1984).
    """
    if len(small) <= _MANY:
        pairs = _correlated(small, _ALIKE)
    else:
        generator = generator_for(seed, "audit", "projections")
        directions = torch.randn(small.shape[1], _PROJECTED, generator=generator).numpy()
        screened = _correlated(small @ directions, _SCREENED)
        pairs = (pair for pair in screened if _correlation(*small[list(pair)]) > _ALIKE)
    found = [(one, other) for one, other in pairs if _alike(small[one].reshape(shape), small[other].reshape(shape))]
    partners = Counter(place for pair in found for place in pair)
    return [pair for pair in found if max(partners[place] for place in pair) <= _PARTNERS]


def _correlated(rows: Floats, least: float) -> Iterator[tuple[int, int]]:
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    for start in range(0, len(unit), _AT_ONCE):
        ones, others = np.nonzero(unit[start : start + _AT_ONCE] @ unit[start:].T > least)
        after = ones < others
        yield from zip((start + ones[after]).tolist(), (start + others[after]).tolist(), strict=True)


def _correlation(one: Floats, other: Floats) -> float:
    return float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-6)


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
