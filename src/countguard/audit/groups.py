"""Groups of pictures that are all alike in the same way, found on one half of the tiles and tested on the other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from countguard.audit.cores import on_all_cores
from countguard.audit.features import Floats
from countguard.audit.laws import normal_cut, normal_density
from countguard.audit.likeness import HYPOTHESES, Hypothesis, Likeness, centre_and_spread

Members: TypeAlias = NDArray[np.intp]
Masks: TypeAlias = NDArray[np.bool_]
"""For each of some groups which pictures are in it: [groups, pictures]."""

FALSE_MEMBERS = 0.01
"""Unlike pictures that chance puts into a group, expected over a whole set."""
_JOINS = (2.5, 3.5)
"""Likeness to a growing group, in deviations over all pictures, from which a picture belongs to it for now.

Large groups of faint pictures need the lower one; it would mix strangers into small groups.
"""
_ROUNDS = 8
_PAIRS, _VECTORS, _SIZES = 4, 2, (8, 24, 48)
"""Seeds: the most alike pairs, and the ends of the first eigenvectors, so many pictures of them."""
_SETTLES = 30
"""Steps after which a group of a fixed size is taken as it is."""
_WEIGHED = 12
"""Steps in which pictures are weighed by their chance to belong to a group."""
_LIKE_SPREAD, _LEAST_MEAN = 1.5, 2.0
"""Deviation of the scores of pictures that belong to a group, some of which show more of it, and their least mean."""
_LEAST_WEIGHT = 1.0
"""Sum of squared weights at least: who is held against nobody is like nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Pictures alike in some bands.

    Attributes:
        members: places in the likeness, ascending.
        hypothesis: the bands.
        tested: likeness of all its pairs together, on tiles that were not used to find it, in units of chance.
        scores: likeness of every picture to the group (a member's to the others), in deviations over all pictures.
    """

    members: Members
    hypothesis: Hypothesis
    tested: float
    scores: Floats


def find_groups(likeness: Likeness, hypotheses: Sequence[Hypothesis] = HYPOTHESES) -> list[Group]:
    """All groups, the surest first; they may overlap, and what they share may be harmless.

    Args:
        likeness: of the pictures.
        hypotheses: the bands to look in.
    """
    with on_all_cores() as each:
        return _distinct(list(chain.from_iterable(each(partial(_of_bands, likeness), hypotheses))))


def _of_bands(likeness: Likeness, hypothesis: Hypothesis) -> list[Group]:
    """All groups in some bands."""
    found = []
    whole = likeness.between(hypothesis)
    halves = [likeness.between(hypothesis, half) for half in (0, 1)]
    for search, test in (halves, halves[::-1]):
        ends = list(_ends(search))
        for seed, (members, scores) in _settled_all(search, whole, [*_most_alike(whole), *ends], ends):
            if len(members) >= 2:
                found.append(Group(members, hypothesis, together(test, seed), scores))
    return found


def _settled_all(
    search: Floats, whole: Floats, small: Sequence[Members], ends: Sequence[Members]
) -> Iterator[tuple[Members, tuple[Members, Floats]]]:
    """Groups as one half of the tiles shows them, with their last members and scores by all tiles, each once."""
    seeds, joins = zip(*product(small, _JOINS), strict=True)
    grown = np.unique(_grown(search, _masks(seeds, len(whole)), np.array(joins)), axis=0)
    for inside in grown:
        members = np.flatnonzero(inside)
        yield members, settled(whole, members)
    sized = np.unique(_most_like_it(search, _masks(ends, len(whole))), axis=0)
    # few are sure where each is only a little alike, so that all of the group tells more of a picture than they would
    scores = _weighted_scores(whole, _most_like_it(whole, sized))
    cut = float(normal_cut(FALSE_MEMBERS / len(whole)))
    for inside, of_all in zip(sized, scores, strict=True):
        yield np.flatnonzero(inside), (np.flatnonzero(of_all > cut), of_all)


def together(matrix: Floats, members: Members) -> float:
    """Likeness of all pairs of a group together: a standard normal where pictures are unlike."""
    number = len(members)
    pairs = number * (number - 1) / 2
    return float(matrix[np.ix_(members, members)].sum() / 2 / max(pairs, 1) ** 0.5)


def scores_of(matrix: Floats, members: Members) -> Floats:
    """Likeness of each picture to a group's other members, in deviations over all pictures."""
    scores: Floats = _weighted_scores(matrix, _masks([members], len(matrix)))[0]
    return scores


def cluster(group: Group, likeness: Likeness) -> tuple[Group, float]:
    """A group with every picture weighed by the chance that it belongs, and the sum of the chances.

    Chances and scores follow from each other, over some steps: scores are taken for a mixture of a standard normal law,
    of unlike pictures, and one with a higher mean, of like ones. Many pictures that are each a little alike are told
    better so than by those few that are sure. Members are the sure ones.
    """
    matrix = likeness.between(group.hypothesis)
    chances = np.zeros(len(matrix), np.float32)
    chances[group.members] = 1
    (scores,) = _weighted_scores(matrix, chances[None])
    for _ in range(_WEIGHED):
        share = max(float(chances.mean()), 2 / len(matrix))
        mean = max(float(np.average(scores, weights=chances + 1e-9)), _LEAST_MEAN)
        like, unlike = share * normal_density(scores, mean, _LIKE_SPREAD), (1 - share) * normal_density(scores)
        chances = np.where(scores > mean, 1, like / (like + unlike)).astype(np.float32)
        (scores,) = _weighted_scores(matrix, chances[None])
    members = np.flatnonzero(scores > float(normal_cut(FALSE_MEMBERS / len(matrix))))
    return replace(group, members=members, scores=scores), float(chances.sum())


def _weighted_scores(matrix: Floats, groups: NDArray[np.floating] | Masks) -> Floats:
    """Likeness of each picture to all others by their weights, in deviations over all pictures: [groups, pictures].

    Args:
        matrix: likeness.
        groups: for each group the weight of each picture: [groups, pictures].
    """
    weights = groups.astype(np.float32)
    squares = weights**2
    totals = weights @ matrix / np.sqrt(np.maximum(squares.sum(axis=1, keepdims=True) - squares, _LEAST_WEIGHT))
    standard: Floats = np.empty_like(totals)
    for of_group, row in zip(standard, totals, strict=True):
        centre, spread = centre_and_spread(row)
        np.subtract(row, centre, out=of_group)
        of_group /= spread
    return standard


def _masks(groups: Sequence[Members], number: int) -> Masks:
    masks = np.zeros((len(groups), number), bool)
    for inside, members in zip(masks, groups, strict=True):
        inside[members] = True
    return masks


def settled(matrix: Floats, members: Members) -> tuple[Members, Floats]:
    """A group's last members, by all tiles, and the scores of all pictures."""
    cut = float(normal_cut(FALSE_MEMBERS / len(matrix)))
    scores = scores_of(matrix, members)
    for _ in range(2):
        members = np.flatnonzero((scores > cut) & (_without_most_alike(matrix, members) > min(_JOINS)))
        if len(members) < 2:
            break
        scores = scores_of(matrix, members)
    return members, scores


def half_in(members: Members, groups: Iterable[Members]) -> bool:
    """Whether half of the members are in one of the groups: it is then one group with that."""
    return any(len(np.intersect1d(members, group)) >= len(members) / 2 for group in groups)


def _most_alike(whole: Floats) -> Iterator[Members]:
    upper = np.triu_indices(len(whole), 1)
    for pair in np.argpartition(-whole[upper], min(_PAIRS, len(upper[0]) - 1))[:_PAIRS]:
        yield np.array([upper[0][pair], upper[1][pair]])


def _ends(search: Floats) -> Iterator[Members]:
    last = len(search) - 1
    _, vectors = linalg.eigh(search, subset_by_index=(max(0, last - _VECTORS + 1), last))
    for vector in vectors.T:
        order = np.argsort(vector)
        for size in _SIZES:
            yield np.sort(order[:size])
            yield np.sort(order[::-1][:size])


def _grown(matrix: Floats, groups: Masks, joins: NDArray[np.float64]) -> Masks:
    """Takes in what is like each group and lets go what is not, until nothing changes."""
    groups, changing = groups.copy(), np.arange(len(groups))
    for _ in range(_ROUNDS):
        joined = _weighted_scores(matrix, groups[changing]) > joins[changing, None]
        changes = (joined.sum(axis=1) >= 2) & (joined != groups[changing]).any(axis=1)
        changing = changing[changes]
        if not len(changing):
            break
        groups[changing] = joined[changes]
    return groups


def _most_like_it(matrix: Floats, groups: Masks) -> Masks:
    """The pictures most like each group, as many as it has, again and again.

    This truncated power method (Yuan and Zhang, 2013) finds many pictures that are each a little alike, of which too
    few pass a threshold for a group to grow.
    """
    groups, changing = groups.copy(), np.arange(len(groups))
    for _ in range(_SETTLES):
        order = np.argsort(-_weighted_scores(matrix, groups[changing]), axis=1)
        sizes = groups[changing].sum(axis=1)
        nearest = _masks([row[:size] for row, size in zip(order, sizes, strict=True)], len(matrix))
        changes = (nearest != groups[changing]).any(axis=1)
        changing = changing[changes]
        if not len(changing):
            break
        groups[changing] = nearest[changes]
    return groups


def _without_most_alike(matrix: Floats, members: Members) -> Floats:
    """Likeness of each picture to a group less the member most like it; infinite where none is left."""
    inside = np.zeros(len(matrix), bool)
    inside[members] = True
    likeness = matrix[:, members].copy()
    likeness[inside, np.searchsorted(members, np.flatnonzero(inside))] = -np.inf
    rest = np.sort(likeness, axis=1)[:, ::-1][:, 1:]
    counted = np.isfinite(rest)
    number = counted.sum(axis=1)
    sums = np.where(counted, rest, 0).sum(axis=1)
    return np.where(number > 0, sums / np.sqrt(np.maximum(number, 1)), np.inf).astype(np.float32)


def _distinct(groups: Sequence[Group]) -> list[Group]:
    """The surest group of each set of groups that share half of their members."""
    kept: list[Group] = []
    for group in sorted(groups, key=lambda group: -group.tested):
        if not half_in(group.members, (other.members for other in kept)):
            kept.append(group)
    return kept
