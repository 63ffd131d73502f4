"""Evidence: a faint picture that a group of images shares, whatever their labels say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from scipy.stats import norm
from torch import Tensor

from countguard.audit.features import Canvas, Floats, raw_bands
from countguard.audit.groups import Group, Members
from countguard.audit.likeness import Likeness
from countguard.audit.recovery import Recovered, recover
from countguard.seeds import generator_for

Kind: TypeAlias = Literal["faint picture", "same scene", "shared in part", "common in this set"]

SURE = 7.0
"""Least likeness of all pairs together, on tiles not used to find the group, in units of chance."""
_EVEN = 0.25
"""Least likeness of the less alike half of the tiles, as a part of the mean over all."""
_NATURAL = 1.25
"""Times the largest eigenvalue of unlike pictures, from which on pictures of a set are alike by nature."""
_STANDS_OUT = 1.2
"""Times the likeness that a set has by nature, from which on a group is more than that."""
_OTHERS = 3
"""The how manieth direction of likeness is taken for natural; two more attackers may have been there."""
_TRIED = 500
"""Groups that are tried at most: seeds, bands and halves together."""
_MANY = 48
"""Images of a group, and of the rest, by which its picture is drawn."""
_COVERED = 0.25
"""Share of the tiles from which on an opaque thing is called a scene."""


@dataclass(frozen=True, slots=True, eq=False)
class SharedPicture:
    """A group and what it shares.

    Attributes:
        kind: "faint picture" lies over the whole frame; "same scene" covers what is behind it; "shared in part" is in
            some places alone, as a frame, a time stamp or a horizon; "common in this set" many other images have too.
        members: positions in the set, ascending.
        recovered: the picture.
        p: the chance that unlike images are so alike on tiles not used to find them, for all groups tried.
    """

    kind: Kind
    members: Members
    recovered: Recovered
    p: float


def shared_pictures(
    likeness: Likeness, groups: Sequence[Group], image_of: Callable[[int], Tensor], seed: int
) -> list[SharedPicture]:
    """What each sure group shares. Groups that chance or two streets of one plan explain are left out.

    Args:
        likeness: of the set.
        groups: as `find_groups` gives them.
        image_of: reads the image at a position of the set, uint8 [3, H, W].
        seed: draws the images that a group is held against.
    """
    found = []
    for group in groups:
        if group.tested < SURE:
            continue
        members = likeness.positions[group.members]
        recovered = recover(
            _octaves(_some(members, seed), image_of, likeness.canvas),
            _octaves(_some(np.setdiff1d(likeness.positions, members), seed), image_of, likeness.canvas),
            likeness.canvas,
        )
        kind = _kind(group, likeness, recovered.opaque)
        found.append(SharedPicture(kind, members, recovered, min(1.0, _TRIED * float(norm.sf(group.tested)))))
    return found


def image_p_values(groups: Sequence[Group], likeness: Likeness, number: int) -> NDArray[np.float64]:
    """For each image of the set the chance that an unlike one is so like the surest groups, for all groups tried.

    Groups that only part of the frame shows are left out.
    """
    p = np.ones(number)
    even = [group for group in groups if evenness(likeness.of_tiles(group.members.tolist(), group.hypothesis)) > 0]
    for group in [group for group in even if group.tested >= SURE] or even[:1]:
        p[likeness.positions] = np.minimum(p[likeness.positions], norm.sf(group.scores))
    corrected: NDArray[np.float64] = -np.expm1(max(len(groups), 1) * np.log1p(-np.minimum(p, 1 - 1e-12)))
    return corrected


def evenness(tiles: Floats) -> float:
    """Mean over the lower half of the tiles, as a part of the mean over all; 0 where that is not positive."""
    mean = float(tiles.mean())
    lower = np.sort(tiles)[: len(tiles) // 2]
    return float(lower.mean()) / mean if mean > 0 else 0.0


def _kind(group: Group, likeness: Likeness, opaque: NDArray[np.bool_]) -> Kind:
    if opaque.mean() >= _COVERED:
        return "same scene"
    tiles = likeness.of_tiles(group.members.tolist(), group.hypothesis)
    if evenness(np.where(opaque, 0, tiles)) < _EVEN:
        return "shared in part"
    return "faint picture" if _stands_out(group, likeness) else "common in this set"


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


def _some(positions: Members, seed: int) -> Members:
    """At most as many as are needed, drawn."""
    order = torch.randperm(len(positions), generator=generator_for(seed, "audit", "drawn")).numpy()
    drawn: Members = positions[np.sort(order[:_MANY])]
    return drawn


def _octaves(positions: Members, image_of: Callable[[int], Tensor], canvas: Canvas) -> Iterator[list[Floats]]:
    for position in positions.tolist():
        yield raw_bands(image_of(position), canvas)
