"""How alike pictures are beyond what their set shares, tile by tile."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from countguard.audit.cores import on_all_cores
from countguard.audit.features import EVERY_OCTAVE, FAMILIES, SMOOTH, Canvas, Family, Floats
from countguard.audit.store import FeatureStore

Hypothesis: TypeAlias = tuple[Family, ...]

HYPOTHESES: tuple[Hypothesis, ...] = (
    ("fine light",),
    ("fine colour",),
    ("fine light", "fine colour"),
    ("coarse light",),
    ("coarse colour",),
    ("coarse light", "coarse colour"),
    EVERY_OCTAVE,
)
"""In which bands a faint picture may show; each is looked for by itself."""

SMOOTH_HYPOTHESES: tuple[Hypothesis, ...] = (("smooth light",), ("smooth colour",), SMOOTH)
"""In which bands a picture without edges may show."""

TO_DEVIATION = 1.4826
"""From the median of absolute values to the deviation of a normal law."""
_CLIP, _CLIP_SMOOTH = 3.0, 6.0
_LEVELS = 127
_AT_ONCE = 256
_SAMPLE = 40_000
"""Pairs by which a tile's likeness is put on its scale."""


class Likeness:
    """Likeness of each two of some pictures.

    For each tile and family of bands the inner products are put on a scale by the median and the spread over all pairs,
    and cut off at 3: a house that two pictures share makes one tile alike, a faint picture all tiles. A picture without
    edges is seen in the flattest tiles alone, so that in the smooth families a tile counts by its spread, which is how
    much it tells (features are divided by their variance), and is cut off at 6.

    Args:
        store: features of the set.
        positions: the pictures compared; the matrices are as large as their number squared, times tiles and families.
    """

    def __init__(self, store: FeatureStore, positions: Sequence[int]) -> None:
        self.canvas: Canvas = store.canvas
        self.positions = np.asarray(positions)
        number = len(self.positions)
        rows = store.coded_rows(self.positions.tolist())
        self._pairs = np.triu_indices(number, 1)
        every = max(1, len(self._pairs[0]) // _SAMPLE)
        sample = self._pairs[0][::every], self._pairs[1][::every]
        self._centres: dict[Family, Floats] = {}
        self._spreads: dict[Family, Floats] = {}
        self._codes: dict[Family, NDArray[np.int8]] = {}
        self._weights: dict[Family, Floats] = {}
        self._sums: dict[tuple[Family, int], Floats] = {}
        for family in FAMILIES:
            self._centres[family], self._spreads[family] = np.zeros((2, self.canvas.tiles), np.float32)
            self._codes[family] = np.zeros((self.canvas.tiles, number, number), np.int8)

        def compare(place: tuple[Family, int]) -> None:
            family, tile = place
            values = rows.part(family, self.canvas.spans[family][tile])
            products = values @ values.T
            centre, spread = centre_and_spread(products[sample])
            self._centres[family][tile], self._spreads[family][tile] = centre, spread
            self._codes[family][tile] = _coded(products, centre, spread, family)
            np.fill_diagonal(self._codes[family][tile], 0)

        with on_all_cores() as each:
            deque(each(compare, product(FAMILIES, range(self.canvas.tiles))), maxlen=0)
        for family in FAMILIES:
            self._weights[family] = _weights(self._spreads[family], family)

    def __len__(self) -> int:
        return len(self.positions)

    def forget(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Takes pairs, by their positions in the set, for unlike: of copies it is known why they are alike."""
        self._sums.clear()
        place = {position: index for index, position in enumerate(self.positions.tolist())}
        for one, other in pairs:
            if one in place and other in place:
                for codes in self._codes.values():
                    codes[:, place[one], place[other]] = codes[:, place[other], place[one]] = 0

    def between(self, hypothesis: Hypothesis, half: int | None = None) -> Floats:
        """Likeness [n, n] over all tiles, or one half of them, in units of its spread over unlike pairs.

        0 on the diagonal.
        """
        halves = (0, 1) if half is None else (half,)
        total = np.sum([self._sum(*place) for place in product(hypothesis, halves)], axis=0)
        centre, spread = centre_and_spread(total[self._pairs])
        standard: Floats = (total - centre) / spread
        np.fill_diagonal(standard, 0)
        return standard

    def against(
        self, store: FeatureStore, positions: Sequence[int], members: Sequence[int], hypothesis: Hypothesis
    ) -> Floats:
        """Likeness of other images of the set to a group, before it is put on a scale: float32 [positions].

        Args:
            store: features of the set.
            positions: of the images, none of which is compared here.
            members: places in this likeness.
            hypothesis: the bands looked at.
        """
        group = store.coded_rows(self.positions[np.asarray(members)].tolist())
        totals = np.zeros(len(positions), np.float32)
        for start in range(0, len(positions), _AT_ONCE):
            some = positions[start : start + _AT_ONCE]
            rows = store.coded_rows(some)
            for family in hypothesis:
                for tile, span in enumerate(self.canvas.spans[family]):
                    products = rows.part(family, span) @ group.part(family, span).T
                    centre, spread = float(self._centres[family][tile]), float(self._spreads[family][tile])
                    total = _coded(products, centre, spread, family).sum(axis=1, dtype=np.int32)
                    totals[start : start + len(some)] += self._weights[family][tile] * total
        return totals

    def of_tiles(self, members: Sequence[int], hypothesis: Hypothesis) -> Floats:
        """For each tile the likeness of all pairs of a group together, in units of chance: float32 [tiles].

        Args:
            members: places in this likeness.
            hypothesis: the bands looked at.
        """
        chosen = np.ix_(range(self.canvas.tiles), members, members)
        total = np.zeros(self.canvas.tiles)
        for family in hypothesis:
            codes = self._codes[family][chosen].sum(axis=(1, 2), dtype=np.int64)
            total += _step(family) * self._weights[family] * codes
        pairs = len(members) * (len(members) - 1)
        chance = self.tile_weights(hypothesis) * np.sqrt(2 * pairs * len(hypothesis))
        scaled: Floats = (total / chance).astype(np.float32)
        return scaled

    def tile_weights(self, hypothesis: Hypothesis) -> Floats:
        """How much each tile counts in these bands, 1 where all count alike: float32 [tiles]."""
        weights: Floats = np.sqrt(np.mean([self._weights[family] ** 2 for family in hypothesis], axis=0))
        return weights

    def _sum(self, family: Family, half: int) -> Floats:
        """The codes of a family over a half of the tiles, by their weights; kept for all hypotheses that share it."""
        if (family, half) not in self._sums:
            total = np.zeros((len(self), len(self)), np.float32)
            for tile in self.canvas.halves[half]:
                total += self._weights[family][tile] * self._codes[family][tile]
            self._sums[family, half] = total
        return self._sums[family, half]


def centre_and_spread(values: NDArray[np.floating]) -> tuple[float, float]:
    """Median, and the deviation that a normal distribution with these quartiles around it would have."""
    centre = median(values)
    return centre, max(TO_DEVIATION * median(np.abs(values - centre)), 1e-9)


def median(values: NDArray[np.floating]) -> float:
    """The median of finite numbers; `np.median` takes four times as long for a few hundred."""
    flat = values.ravel()
    high = flat.size // 2
    if flat.size % 2:
        return float(np.partition(flat, high)[high])
    middle = np.partition(flat, (high - 1, high))[high - 1 : high + 1]
    return float(middle.mean())


def _clip(family: Family) -> float:
    return _CLIP_SMOOTH if family in SMOOTH else _CLIP


def _step(family: Family) -> float:
    """Deviations of a step of the codes."""
    return _clip(family) / _LEVELS


def _weights(spreads: Floats, family: Family) -> Floats:
    """How much each tile counts; their squares are 1 on the mean."""
    if family not in SMOOTH:
        return np.ones_like(spreads)
    weights: Floats = spreads / np.sqrt(np.mean(spreads**2))
    return weights


def _coded(products: Floats, centre: float, spread: float, family: Family) -> NDArray[np.int8]:
    clip = _clip(family)
    standard = np.clip((products - centre) / spread, -clip, clip)
    codes: NDArray[np.int8] = np.rint(standard / _step(family)).astype(np.int8)
    return codes
