"""Groups that share a picture which lies elsewhere in each image, or is seen in a mirror in some."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from countguard.audit.alignment import Spectra, Spectrum, in_mirror
from countguard.audit.features import Canvas, Floats
from countguard.audit.groups import Members
from countguard.audit.store import FeatureStore
from countguard.seeds import generator_for

COMPARED = 500
"""Images among which shifted pictures are looked for; of larger sets so many are drawn."""
_ANCHORS = 60
"""Images whose likeness to all others is looked at first; where one in twenty is poisoned, three of them are."""
_PARTNER = 5.5
"""Height of a peak, in deviations of all shifts, from which on two images are taken to share something."""
_MEMBER = 5.5
"""The same for a template made of several images."""
_FEWEST = 4
_LEADS, _ROUNDS = 4, 3


@dataclass(frozen=True, slots=True, eq=False)
class AlignedGroup:
    """Images alike once they are moved.

    Attributes:
        members: positions in the set, ascending.
        shifts: how far (down, right), as shares of the frame's sides, the shared picture lies in each from where it
            lies in the first: float [members, 2].
        mirrored: whether it is seen in a mirror.
        tested: likeness of the members on tiles not used to find the group, in units of chance.
        tiles: likeness of the members in each tile, once they are moved back.
        heights: peak of each image that was looked at, in deviations of all shifts.
        looked_at: positions of those.
    """

    members: Members
    shifts: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    tested: float
    tiles: NDArray[np.float64]
    heights: Floats
    looked_at: Members


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Where a template was found in every image."""

    heights: Floats
    shifts: NDArray[np.intp]
    mirrored: NDArray[np.bool_]


def aligned_groups(store: FeatureStore, positions: Sequence[int], seed: int) -> list[AlignedGroup]:
    """All groups of four images or more, the surest first.

    Args:
        store: features of the set.
        positions: the images to look at; those of groups that were found without shifts are best left out.
        seed: draws the images that others are held against.
    """
    if len(positions) < 2 * _FEWEST:
        return []
    generator = generator_for(seed, "audit", "anchors")
    order = torch.randperm(len(positions), generator=generator).numpy()[:COMPARED]
    looked_at = np.sort(np.asarray(positions)[order])
    spectra = Spectra(store, looked_at.tolist())
    anchors = torch.randperm(len(looked_at), generator=generator)[:_ANCHORS].tolist()
    groups = []
    for search, test in ((0, 1), (1, 0)):
        groups += _found_on(spectra, search, test, anchors, store.canvas, looked_at)
    return _distinct(groups)


def _found_on(
    spectra: Spectra, search: int, test: int, anchors: Sequence[int], canvas: Canvas, looked_at: Members
) -> list[AlignedGroup]:
    pictures = spectra.halves[search]
    leads = []
    for anchor in anchors:
        found = _find(spectra, pictures, pictures[anchor], step=2)
        heights = np.delete(found.heights, anchor)
        leads.append((float(np.maximum(heights - _PARTNER, 0).sum()), anchor))
    groups = []
    for worth, anchor in sorted(leads, reverse=True)[:_LEADS]:
        if worth <= 0:
            break
        found = _find(spectra, pictures, pictures[anchor])
        members = np.flatnonzero(found.heights > _PARTNER)
        for _ in range(_ROUNDS):
            if len(members) < _FEWEST:
                break
            found = _find_with_others(spectra, pictures, members, found)
            members = np.flatnonzero(found.heights > _MEMBER)
        if len(members) >= _FEWEST:
            groups.append(_tested(spectra, test, members, found, canvas, looked_at))
    return groups


def _find(spectra: Spectra, pictures: Spectrum, template: Spectrum, *, step: int = 1) -> _Found:
    straight = spectra.peaks(pictures, template, step=step)
    turned = spectra.peaks(pictures, in_mirror(template), step=step)
    mirrored = turned.heights > straight.heights
    shifts = np.where(mirrored[:, None], turned.shifts, straight.shifts)
    return _Found(np.maximum(straight.heights, turned.heights), shifts, mirrored)


def _find_with_others(spectra: Spectra, pictures: Spectrum, members: Members, found: _Found) -> _Found:
    """Finds in every image what the members share; in a member, what the others share."""
    moved = spectra.undone(pictures[members], found.shifts[members], found.mirrored[members])
    total = moved.sum(axis=0)
    everywhere = _find(spectra, pictures, total)
    heights, shifts, mirrored = everywhere.heights.copy(), everywhere.shifts.copy(), everywhere.mirrored.copy()
    for member, own in zip(members.tolist(), moved, strict=True):
        one = _find(spectra, pictures[member : member + 1], total - own)
        heights[member], shifts[member], mirrored[member] = one.heights[0], one.shifts[0], one.mirrored[0]
    return _Found(heights, shifts, mirrored)


def _tested(
    spectra: Spectra, test: int, members: Members, found: _Found, canvas: Canvas, looked_at: Members
) -> AlignedGroup:
    shifts, mirrored = found.shifts[members], found.mirrored[members]
    pictures = spectra.halves[test][members]
    moved = spectra.undone(pictures, shifts, mirrored)
    total = moved.sum(axis=0)
    still = np.zeros_like(shifts)
    likeness = spectra.at(moved, total - moved, still)
    whole = spectra.undone(spectra.halves[0][members] + spectra.halves[1][members], shifts, mirrored)
    of_all = whole.sum(axis=0)
    tiles = np.sum([spectra.tile_sums(own, of_all - own, canvas) for own in whole], axis=0)
    sides = np.array([spectra.height, spectra.width])
    return AlignedGroup(
        members=looked_at[members],
        shifts=shifts / sides,
        mirrored=mirrored,
        tested=float(likeness.sum()) / (2 * len(members)) ** 0.5,
        tiles=tiles,
        heights=found.heights,
        looked_at=looked_at,
    )


def _distinct(groups: Sequence[AlignedGroup]) -> list[AlignedGroup]:
    kept: list[AlignedGroup] = []
    for group in sorted(groups, key=lambda group: -group.tested):
        if all(len(np.intersect1d(group.members, other.members)) < len(group.members) / 2 for other in kept):
            kept.append(group)
    return kept
