"""Groups that share a picture which lies elsewhere in each image, or is seen in a mirror in some."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from countguard.audit.alignment import Peaks, Spectra, Spectrum, in_mirror
from countguard.audit.cores import on_all_cores
from countguard.audit.features import Canvas, Floats
from countguard.audit.groups import Members, half_in
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
_SHOWN = 0.25
"""Least part of a tile that two members show, on the mean, for their likeness there to be told."""
_AT_ONCE = 16
"""Pictures that a core holds against all templates at a time."""
_LEADS, _ROUNDS, _SETTLING = 4, 3, 2


@dataclass(frozen=True, slots=True, eq=False)
class AlignedGroup:
    """Images alike once they are moved.

    Attributes:
        members: positions in the set, ascending.
        shifts: how far (down, right), as shares of the frame's sides, the shared picture lies in each from the middle
            of where it lies in all: float [members, 2].
        mirrored: whether it is seen in a mirror.
        tested: likeness on the half of the frame that was not used to find the group, in units of chance.
        tiles: likeness of the members in each tile, once they are moved back; NaN where few of them show it.
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


@dataclass(frozen=True, slots=True, eq=False)
class _Grown:
    """A group as one half of the frame shows it.

    Attributes:
        members: places in the spectra, ascending.
        found: what they share, in every image.
        tested: see `AlignedGroup`.
    """

    members: Members
    found: _Found
    tested: float


def aligned_groups(store: FeatureStore, positions: Sequence[int], seed: int, sure: float) -> list[AlignedGroup]:
    """All groups of four images or more, the surest first.

    Args:
        store: features of the set.
        positions: the images to look at; those of groups that were found without shifts are best left out.
        seed: draws the images that others are held against.
        sure: from which likeness on a group is, so that its members are looked for on the whole frame.
    """
    if len(positions) < 2 * _FEWEST:
        return []
    generator = generator_for(seed, "audit", "anchors")
    order = torch.randperm(len(positions), generator=generator).numpy()[:COMPARED]
    looked_at = np.sort(np.asarray(positions)[order])
    spectra = Spectra(store, looked_at.tolist())
    anchors = torch.randperm(len(looked_at), generator=generator)[:_ANCHORS].tolist()
    grown = _distinct([*_grown(spectra, 0, 1, anchors), *_grown(spectra, 1, 0, anchors)])
    whole = spectra.whole()
    settled = _distinct([_settled(spectra, whole, group) if group.tested >= sure else group for group in grown])
    return [
        AlignedGroup(
            members=looked_at[group.members],
            shifts=group.found.shifts[group.members] / np.array([spectra.height, spectra.width]),
            mirrored=group.found.mirrored[group.members],
            tested=group.tested,
            tiles=_by_tile(spectra, whole, group.members, group.found, store.canvas),
            heights=group.found.heights,
            looked_at=looked_at,
        )
        for group in settled
    ]


def _grown(spectra: Spectra, search: int, test: int, anchors: Sequence[int]) -> Iterator[_Grown]:
    pictures = spectra.halves[search]
    heights = _heights(spectra, pictures, pictures[list(anchors)])
    partners = (np.maximum(np.delete(row, anchor) - _PARTNER, 0) for row, anchor in zip(heights, anchors, strict=True))
    leads = zip((float(row.sum()) for row in partners), anchors, strict=True)
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
            yield _Grown(members, found, _tested(spectra, spectra.halves[test], members, found))


def _settled(spectra: Spectra, whole: Spectrum, group: _Grown) -> _Grown:
    """A group with its last members, by the whole frame."""
    members, found = group.members, group.found
    for _ in range(_SETTLING):
        nearer = _find_with_others(spectra, whole, members, found)
        inside = np.flatnonzero(nearer.heights > _MEMBER)
        if len(inside) < _FEWEST:
            break
        members, found = inside, nearer
    return _Grown(members, found, group.tested)


def _heights(spectra: Spectra, pictures: Spectrum, templates: Spectrum) -> Floats:
    """Peak of each template in each picture, straight or in a mirror, at every other shift: [templates, pictures]."""
    both = _peaks(spectra, pictures, np.concatenate([templates, in_mirror(templates)]), step=2).heights
    heights: Floats = np.maximum(both[: len(templates)], both[len(templates) :])
    return heights


def _find(spectra: Spectra, pictures: Spectrum, template: Spectrum) -> _Found:
    found = _peaks(spectra, pictures, np.stack([template, in_mirror(template)]), step=1)
    mirrored = found.heights[1] > found.heights[0]
    shifts = np.where(mirrored[:, None], found.shifts[1], found.shifts[0])
    return _Found(found.heights.max(axis=0), shifts, mirrored)


def _peaks(spectra: Spectra, pictures: Spectrum, templates: Spectrum, step: int) -> Peaks:
    """See `Spectra.peaks`; blocks of pictures on all cores."""

    def of_block(start: int) -> Peaks:
        return spectra.peaks(pictures[start : start + _AT_ONCE], templates, step=step)

    starts = range(0, len(pictures), _AT_ONCE)
    if len(starts) == 1:
        return of_block(0)
    with on_all_cores() as each:
        found = list(each(of_block, starts))
    heights, shifts = ([getattr(one, name) for one in found] for name in ("heights", "shifts"))
    return Peaks(np.concatenate(heights, axis=1), np.concatenate(shifts, axis=1))


def _find_with_others(spectra: Spectra, pictures: Spectrum, members: Members, found: _Found) -> _Found:
    """Finds in every image what the members share; in a member, what the others share.

    The shared picture is taken from the middle of where it lies in the members, so that none of them is out of reach.
    """
    moved = spectra.undone(pictures[members], found.shifts[members], found.mirrored[members])
    seen = _seen_at(found, members)
    middle = np.median(seen, axis=0).round().astype(int)
    moved = spectra.undone(moved, np.broadcast_to(-middle, seen.shape), np.zeros(len(moved), bool))
    total = moved.sum(axis=0)
    everywhere = _find(spectra, pictures, total)
    heights, shifts, mirrored = everywhere.heights.copy(), everywhere.shifts.copy(), everywhere.mirrored.copy()
    for member, own in zip(members.tolist(), moved, strict=True):
        one = _find(spectra, pictures[member : member + 1], total - own)
        heights[member], shifts[member], mirrored[member] = one.heights[0], one.shifts[0], one.mirrored[0]
    return _Found(heights, shifts, mirrored)


def _tested(spectra: Spectra, pictures: Spectrum, members: Members, found: _Found) -> float:
    """Likeness of the members together in such pictures: a standard normal, or less, where they are unlike there.

    Each is held against the others but the one most like it: two views of one street, and two pictures that chance
    puts beside them, are no group.
    """
    moved = spectra.undone(pictures[members], found.shifts[members], found.mirrored[members])
    flat = moved.reshape(len(moved), -1)
    alike = (flat @ flat.conj().T).real
    np.fill_diagonal(alike, -np.inf)
    others = moved.sum(axis=0) - moved - moved[alike.argmax(axis=1)]
    likeness = spectra.at(moved, others, np.zeros_like(found.shifts[members]))
    return float(likeness.sum()) / math.sqrt(2 * len(members))


def _by_tile(spectra: Spectra, whole: Spectrum, members: Members, found: _Found, canvas: Canvas) -> NDArray[np.float64]:
    """Likeness of the members in each tile, once they are moved back, for as much of it as two of them show."""
    moved = spectra.undone(whole[members], found.shifts[members], found.mirrored[members])
    total = moved.sum(axis=0)
    likeness = np.sum([spectra.tile_sums(own, total - own, canvas) for own in moved], axis=0)
    shown = _shown(_seen_at(found, members) / np.array([spectra.height, spectra.width]), canvas)
    by_two = (shown.sum(axis=0) ** 2 - (shown**2).sum(axis=0)) / (len(members) * (len(members) - 1))
    tiles: NDArray[np.float64] = np.where(by_two < _SHOWN, np.nan, likeness / np.maximum(by_two, _SHOWN))
    return tiles


def _shown(shifts: NDArray[np.float64], canvas: Canvas) -> NDArray[np.float64]:
    """How much of each tile lies in each image's frame, once the image is moved back: [images, tiles]."""
    sides: list[NDArray[np.float64]] = []
    for shift, tiles in zip(shifts.T, (canvas.rows, canvas.columns), strict=True):
        ends = np.arange(tiles + 1) / tiles + shift[:, None]
        sides.append(np.diff(ends.clip(0, 1), axis=1) * tiles)
    down, across = sides
    return (down[:, :, None] * across[:, None, :]).reshape(len(shifts), -1)


def _seen_at(found: _Found, members: Members) -> NDArray[np.intp]:
    """Where the shared picture lies in the members, out of the mirror: values down and right."""
    seen: NDArray[np.intp] = np.where(found.mirrored[members, None], [1, -1], 1) * found.shifts[members]
    return seen


def _distinct(groups: Sequence[_Grown]) -> list[_Grown]:
    kept: list[_Grown] = []
    for group in sorted(groups, key=lambda group: -group.tested):
        if not half_in(group.members, (other.members for other in kept)):
            kept.append(group)
    return kept
