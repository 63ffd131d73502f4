"""Evidence: a faint picture that a group of images shares, whatever their labels say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from torch import Tensor

from countguard.audit.aligned_groups import AlignedGroup, aligned_groups
from countguard.audit.cores import on_all_cores
from countguard.audit.features import Canvas, Floats, raw_bands
from countguard.audit.groups import FALSE_MEMBERS, Group, Members, cluster, find_groups, half_in
from countguard.audit.laws import normal_cut, normal_tail
from countguard.audit.likeness import SMOOTH_HYPOTHESES, Likeness, centre_and_spread
from countguard.audit.recovery import Recovered, moved_back, recover
from countguard.audit.report import FAINT
from countguard.audit.store import FeatureStore
from countguard.seeds import generator_for

Kind: TypeAlias = Literal["faint picture", "smooth picture", "same scene", "shared in part", "common in this set"]
ImageOf: TypeAlias = Callable[[int], Tensor]

COMPARED = 1000
"""Images that are compared pair by pair at a time."""
_ROUNDS = 4
"""Such comparisons at most; every image is then held against the groups that were found."""
SURE = 7.0
"""Least likeness of all pairs together, on tiles not used to find the group, in units of chance."""
_SURE_MOVED = 16.0
"""The same where images are moved: eight views of one square in Part_B reach 11.5, poisoned images at .1 reach 30."""
_SURE_SMOOTH = 16.0
"""The same in the bands of pictures without edges: two views of one street in Part_B reach 9.8 there."""
_EVEN = 0.25
"""Least likeness of the less alike half of the tiles, as a part of the mean over all."""
_EVEN_MOVED = 0.1
"""The same where images are moved: their middling bands alone are compared, which houses hide more than roads do."""
_EVEN_SMOOTH = 0.2
"""The same in the bands of pictures without edges, each tile weighed by how much it tells."""
_SURE_MEMBERS = 1 / 3
"""Least share of the pictures that are likely in such a group which are sure to be. In embedded crowds, whose grounds
are alike more or less, it is a tenth."""
_NATURAL = 1.25
"""Times the largest eigenvalue of unlike pictures, from which on pictures of a set are alike by nature."""
_STANDS_OUT = 1.2
"""Times the likeness that a set has by nature, from which on a group is more than that."""
_OTHERS = 3
"""The how manieth direction of likeness is taken for natural; two more attackers may have been there."""
_STRANGERS = 4.5
"""Peak that nine strangers in ten stay below, where what a group shares is not all over the set."""
_TRIED = 500
"""Groups that are tried at most: seeds, bands and halves together."""
_MANY = 48
"""Images of a group, and of the rest, by which its picture is drawn, and others are held against it."""
_COVERED = 0.25
"""Share of the tiles from which on an opaque thing is called a scene."""


@dataclass(frozen=True, slots=True, eq=False)
class SharedPicture:
    """A group and what it shares.

    Attributes:
        kind: "faint picture" lies over the whole frame; "smooth picture" does, too, and has no edges, so that it may be
            the shading of a lens; "same scene" covers what is behind it; "shared in part" is in some places alone, as a
            frame, a time stamp or a horizon; "common in this set" many other images have too.
        members: positions in the set, ascending.
        recovered: the picture.
        p: the chance that unlike images are so alike on tiles not used to find them, for all groups tried.
        aligned: whether the images had to be moved, or seen in a mirror, for it.
    """

    kind: Kind
    members: Members
    recovered: Recovered
    p: float
    aligned: bool = False


def shared_pictures(
    store: FeatureStore, copies: Sequence[tuple[int, int]], image_of: ImageOf, seed: int
) -> tuple[list[SharedPicture], NDArray[np.float64]]:
    """What each sure group shares, and for each image the chance to be as like a group as it is.

    Groups that chance or two streets of one plan explain are left out. The chance is that of an unlike image, for all
    groups that were looked at: to be like one that shares a faint picture or may be moved, to be like one with a
    harmless name if it belongs to it, or, where no faint picture was found, to be like the likest.

    Args:
        store: features of the set.
        copies: pairs of positions of near-copies, of which it is known why they are alike.
        image_of: reads the image at a position of the set, uint8 [3, H, W].
        seed: draws the images that are compared, and those that a group is held against.
    """
    found: list[SharedPicture] = []
    faint, likest = np.ones(len(store)), np.ones(len(store))
    tried = 0
    for positions in _drawn(len(store), seed):
        likeness = Likeness(store, positions)
        likeness.forget(copies)
        groups = find_groups(likeness)
        smooth = find_groups(likeness, SMOOTH_HYPOTHESES)
        tried += len(groups) + len(smooth)
        for group in _worth_a_look(groups, likeness):
            if len(likeness) < len(store) and _known(likeness.positions[group.members], found):
                continue  # another round found it, and every image was held against it there
            members, scores = _in_whole_set(group, likeness, store)
            chances = normal_tail(scores)
            likest = np.minimum(likest, chances)
            counts = np.isin(np.arange(len(store)), members)
            if group.tested >= SURE and not _known(members, found):
                found.append(_described(group, members, likeness, image_of, seed, len(store)))
                counts |= found[-1].kind in FAINT
            faint = np.where(counts, np.minimum(faint, chances), faint)
        for group in _clusters(smooth, likeness):
            members, scores = _in_whole_set(group, likeness, store)
            if not _known(members, [one for one in found if one.kind in FAINT]):
                shared = _smooth(group, members, likeness, image_of, seed, len(store))
                if shared.kind in FAINT:
                    found = [one for one in found if not _known(one.members, [shared])] + [shared]
                    faint = np.minimum(faint, normal_tail(scores))
    taken = [one.members for one in found]
    rest = np.setdiff1d(np.arange(len(store)), np.concatenate(taken) if taken else [])
    moved = aligned_groups(store, rest.tolist(), seed, SURE)
    tried += len(moved)
    for aligned in [group for group in moved if group.tested >= _SURE_MOVED] or moved[:1]:
        chances = np.ones(len(store))
        chances[aligned.looked_at] = _chance_of_peaks(aligned.heights)
        faint, likest = np.minimum(faint, chances), np.minimum(likest, chances)
        if aligned.tested >= _SURE_MOVED:
            found.append(_aligned(aligned, store, image_of, seed))
    p = faint if any(one.kind in FAINT for one in found) else likest
    return found, -np.expm1(max(tried, 1) * np.log1p(-np.minimum(p, 1 - 1e-12)))


def evenness(tiles: NDArray[np.floating], weights: NDArray[np.floating] | None = None) -> float:
    """Mean over the lower half of the tiles, as a part of the mean over all; 0 where that is not positive.

    Tiles of which nothing is known (NaN) are left out.

    Args:
        tiles: likeness in units of chance.
        weights: how much each tells: the likeness that an even picture gives in proportion.
    """
    weights = np.ones_like(tiles) if weights is None else weights
    known = ~np.isnan(tiles)
    by_signal, squares = tiles[known] / weights[known], weights[known] ** 2
    mean = float(np.average(by_signal, weights=squares))
    order = np.argsort(by_signal, kind="stable")
    lower = order[np.cumsum(squares[order]) <= squares.sum() / 2]
    return float(np.average(by_signal[lower], weights=squares[lower])) / mean if mean > 0 and len(lower) else 0.0


def _known(members: Members, found: Sequence[SharedPicture]) -> bool:
    return half_in(members, (one.members for one in found))


def _clusters(groups: Sequence[Group], likeness: Likeness) -> Iterator[Group]:
    """Sure groups whose pictures stand apart from the others, with the members that are told by all of them."""
    for group in groups:
        if group.tested >= _SURE_SMOOTH:
            apart, likely = cluster(group, likeness)
            if len(apart.members) >= max(2, _SURE_MEMBERS * likely):
                yield apart


def _drawn(number: int, seed: int) -> Iterator[list[int]]:
    """Images that are compared with each other: all of them, or some rounds of as many as can be."""
    if number <= COMPARED:
        yield list(range(number))
        return
    order = torch.randperm(number, generator=generator_for(seed, "audit", "compared")).tolist()
    for start in range(0, min(number, _ROUNDS * COMPARED), COMPARED):
        if chosen := sorted(order[start : start + COMPARED]):
            yield chosen


def _worth_a_look(groups: Sequence[Group], likeness: Likeness) -> list[Group]:
    """Sure groups; or the surest of those that are not in a part of the frame alone."""
    sure = [group for group in groups if group.tested >= SURE]
    even = [group for group in groups if evenness(likeness.of_tiles(group.members.tolist(), group.hypothesis)) > 0]
    return sure or even[:1]


def _in_whole_set(group: Group, likeness: Likeness, store: FeatureStore) -> tuple[Members, Floats]:
    """Members of the whole set, and the score of each of its images."""
    if len(likeness) == len(store):
        return group.members, group.scores
    scores = np.zeros(len(store), np.float32)
    others = np.setdiff1d(np.arange(len(store)), likeness.positions)
    scores[likeness.positions] = group.scores
    totals = likeness.against(store, others.tolist(), group.members[:_MANY].tolist(), group.hypothesis)
    centre, spread = centre_and_spread(totals)
    scores[others] = (totals - centre) / spread
    cut = float(normal_cut(FALSE_MEMBERS / len(store)))
    inside = np.zeros(len(store), bool)
    inside[likeness.positions[group.members]] = True
    inside[others] = scores[others] > cut
    return np.flatnonzero(inside), scores


def _described(
    group: Group, members: Members, likeness: Likeness, image_of: ImageOf, seed: int, number: int
) -> SharedPicture:
    recovered = _recovered(members, likeness.canvas, image_of, seed, number)
    tiles = likeness.of_tiles(group.members.tolist(), group.hypothesis)
    kind = _kind(tiles, recovered.opaque, _EVEN, lambda: _stands_out(group, likeness))
    return SharedPicture(kind, members, recovered, _p_of(group))


def _smooth(
    group: Group, members: Members, likeness: Likeness, image_of: ImageOf, seed: int, number: int
) -> SharedPicture:
    recovered = _recovered(members, likeness.canvas, image_of, seed, number)
    kind: Kind = "smooth picture"
    tiles = likeness.of_tiles(group.members.tolist(), group.hypothesis)
    if recovered.opaque.mean() >= _COVERED:
        kind = "same scene"
    elif evenness(tiles, likeness.tile_weights(group.hypothesis)) < _EVEN_SMOOTH:
        kind = "shared in part"
    return SharedPicture(kind, members, recovered, _p_of(group))


def _recovered(members: Members, canvas: Canvas, image_of: ImageOf, seed: int, number: int) -> Recovered:
    others = np.setdiff1d(np.arange(number), members)
    with on_all_cores() as each:
        ours, theirs = (
            each(lambda place: raw_bands(image_of(place), canvas), _some(of, seed)) for of in (members, others)
        )
        return recover(ours, theirs, canvas)


def _p_of(group: Group | AlignedGroup) -> float:
    return min(1.0, _TRIED * float(normal_tail(group.tested)))


def _aligned(group: AlignedGroup, store: FeatureStore, image_of: ImageOf, seed: int) -> SharedPicture:
    canvas = store.canvas
    chosen = range(min(_MANY, len(group.members)))
    others = np.setdiff1d(group.looked_at, group.members)
    recovered = recover(
        (
            moved_back(
                raw_bands(image_of(int(group.members[place])), canvas),
                canvas,
                (float(group.shifts[place, 0]), float(group.shifts[place, 1])),
                bool(group.mirrored[place]),
            )
            for place in chosen
        ),
        (raw_bands(image_of(place), canvas) for place in _some(others, seed)),
        canvas,
    )
    strangers = group.heights[~np.isin(group.looked_at, group.members)]

    def stands_out() -> bool:
        return bool(np.quantile(strangers, 0.9) < _STRANGERS)

    kind = _kind(group.tiles, recovered.opaque, _EVEN_MOVED, stands_out)
    return SharedPicture(kind, group.members, recovered, _p_of(group), aligned=True)


def _kind(tiles: NDArray[np.floating], opaque: NDArray[np.bool_], least: float, stands_out: Callable[[], bool]) -> Kind:
    if opaque.mean() >= _COVERED:
        return "same scene"
    if evenness(np.where(opaque, 0, tiles)) < least:
        return "shared in part"
    return "faint picture" if stands_out() else "common in this set"


def _stands_out(group: Group, likeness: Likeness) -> bool:
    """Whether the group is more alike than this set's other images are by nature, in the same bands.

    The matrix of unlike images has no eigenvalue above about 2 sqrt(n) (Wigner's semicircle). Larger ones are
    directions that many images share more or less, as the lines of one pavement.
    """
    matrix = likeness.between(group.hypothesis)
    strangers = np.setdiff1d(np.arange(len(matrix)), group.members)
    number = len(strangers)
    if number <= _OTHERS:
        return True
    rest = matrix[np.ix_(strangers, strangers)]
    (natural,) = linalg.eigvalsh(rest, subset_by_index=(number - _OTHERS, number - _OTHERS))
    if natural <= _NATURAL * 2 * number**0.5:
        return True
    together = float(matrix[np.ix_(group.members, group.members)].sum()) / len(group.members)
    return together >= _STANDS_OUT * float(natural)


def _chance_of_peaks(heights: Floats) -> NDArray[np.float64]:
    """The chance of so high a peak among strangers, by a Gumbel law through their quartiles."""
    low, middle, high = np.quantile(heights, [0.25, 0.5, 0.75])
    scale = max(float(high - low) / 1.5725, 1e-9)
    place = float(middle) - 0.3665 * scale
    with np.errstate(over="ignore"):  # far below the place the chance is 1
        return -np.expm1(-np.exp(-(heights.astype(float) - place) / scale))


def _some(positions: Members, seed: int) -> list[int]:
    """At most as many as are needed, drawn."""
    order = torch.randperm(len(positions), generator=generator_for(seed, "audit", "drawn")).numpy()
    chosen: list[int] = positions[np.sort(order[:_MANY])].tolist()
    return chosen
