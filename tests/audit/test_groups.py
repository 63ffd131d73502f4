"""Groups are found in a matrix of likeness whose members are known, and none in one that has none."""

from collections.abc import Sequence

import numpy as np
import pytest

from countguard.audit.features import Floats, canvas_for
from countguard.audit.groups import Group, cluster, find_groups
from countguard.audit.likeness import Hypothesis
from countguard.audit.shared_picture import SURE

PICTURES = 400


class Drawn:
    """A likeness of unlike pictures, in units of chance, but for a group whose pairs are all a little more alike."""

    canvas = canvas_for([(96, 128)])

    def __init__(self, members: Sequence[int], more: float, seed: int) -> None:
        generator = np.random.default_rng(seed)
        inside = np.isin(np.arange(PICTURES), members)
        self._halves = [self._half(generator, np.outer(inside, inside) * more / 2**0.5) for _ in range(2)]

    def add(self, more: Floats) -> None:
        """Makes pairs more alike, on both halves."""
        self._halves = [half + more / np.float32(2**0.5) for half in self._halves]

    def _half(self, generator: np.random.Generator, more: Floats) -> Floats:
        upper = np.triu(generator.normal(size=more.shape) + more, 1)
        half: Floats = (upper + upper.T).astype(np.float32)
        return half

    def between(self, hypothesis: Hypothesis, half: int | None = None) -> Floats:
        """See `Likeness`."""
        if half is None:
            whole: Floats = (self._halves[0] + self._halves[1]) / np.float32(2**0.5)
            return whole
        return self._halves[half]


def _apart(scores: Floats, inside: np.ndarray) -> float:  # type: ignore[type-arg]
    """The chance that a member's score is above a stranger's."""
    return float((scores[inside][:, None] > scores[~inside]).mean())


@pytest.mark.parametrize("seed", range(3))
def test_many_pictures_that_are_each_a_little_alike_are_found(seed: int) -> None:
    """No pair stands out, and a group that grows picture by picture loses them."""
    members = range(0, PICTURES, 10)
    found = find_groups(Drawn(members, 0.8, seed))[0]  # type: ignore[arg-type]
    assert found.tested > SURE
    assert set(found.members.tolist()) <= set(members)
    inside = np.isin(np.arange(PICTURES), members)
    assert _apart(found.scores, inside) > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_pair_that_is_alike_is_found(seed: int) -> None:
    found = find_groups(Drawn([7, 300], 12, seed))[0]  # type: ignore[arg-type]
    assert found.tested > SURE
    assert found.members.tolist() == [7, 300]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_sure_among_unlike_pictures(seed: int) -> None:
    assert all(group.tested < SURE for group in find_groups(Drawn([], 0, seed)))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_few_sure_pictures_lead_to_all_that_are_a_little_like_them(seed: int) -> None:
    members = range(0, PICTURES, 10)
    drawn = Drawn(members, 0.75, seed)
    few = Group(np.array(members[:8]), ("smooth light",), 20.0, np.zeros(PICTURES, np.float32))
    all_of_it, likely = cluster(few, drawn)  # type: ignore[arg-type]
    inside = np.isin(np.arange(PICTURES), members)
    assert 30 < likely < 60
    assert set(all_of_it.members.tolist()) <= set(members)
    assert len(all_of_it.members) > likely / 3
    assert _apart(all_of_it.scores, inside) > 0.98


@pytest.mark.parametrize("seed", range(3))
def test_pictures_that_are_alike_more_or_less_do_not_stand_apart(seed: int) -> None:
    """As the grounds of embedded crowds are: the likest are the end of a range, and no group."""
    loadings = np.random.default_rng(seed).normal(size=PICTURES).astype(np.float32)
    drawn = Drawn([], 0, seed)
    drawn.add(np.outer(loadings, loadings))
    likest = Group(np.argsort(-loadings)[:8], ("smooth light",), 20.0, np.zeros(PICTURES, np.float32))
    found, likely = cluster(likest, drawn)  # type: ignore[arg-type]
    assert len(found.members) < likely / 3
