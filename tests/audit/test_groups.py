"""Groups are found in a matrix of likeness whose members are known, and none in one that has none."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from countguard.audit.features import Floats, canvas_for
from countguard.audit.groups import find_groups
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

    def _half(self, generator: np.random.Generator, more: Floats) -> Floats:
        upper = np.triu(generator.normal(size=more.shape) + more, 1)
        half: Floats = (upper + upper.T).astype(np.float32)
        return half

    def between(self, hypothesis: Hypothesis, tiles: Iterable[int] | None = None) -> Floats:
        """See `Likeness`."""
        if tiles is None:
            whole: Floats = (self._halves[0] + self._halves[1]) / np.float32(2**0.5)
            return whole
        return self._halves[0 if list(tiles) == self.canvas.halves[0].tolist() else 1]

    def of_tiles(self, members: Sequence[int], hypothesis: Hypothesis) -> Floats:
        """See `Likeness`."""
        return np.ones(self.canvas.tiles, np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_many_pictures_that_are_each_a_little_alike_are_found(seed: int) -> None:
    """No pair stands out, and a group that grows picture by picture loses them."""
    members = range(0, PICTURES, 10)
    found = find_groups(Drawn(members, 0.8, seed))[0]  # type: ignore[arg-type]
    assert found.tested > SURE
    assert set(found.members.tolist()) <= set(members)
    inside = np.isin(np.arange(PICTURES), members)
    assert (found.scores[inside][:, None] > found.scores[~inside]).mean() > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_pair_that_is_alike_is_found(seed: int) -> None:
    found = find_groups(Drawn([7, 300], 12, seed))[0]  # type: ignore[arg-type]
    assert found.tested > SURE
    assert found.members.tolist() == [7, 300]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_sure_among_unlike_pictures(seed: int) -> None:
    assert all(group.tested < SURE for group in find_groups(Drawn([], 0, seed)))  # type: ignore[arg-type]
