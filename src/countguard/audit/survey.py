"""One pass over a set's pictures, which takes from each all that the audit compares later."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countguard.audit.features import Canvas, Floats, canvas_for, on_canvas, ordered, raw_bands, whitened
from countguard.audit.single_pictures import statistics_of
from countguard.audit.store import FeatureStore
from countguard.audit.textures import texture_of
from countguard.data.annotated import AnnotatedCrowds
from countguard.data.crowd import Crowd

SMALL = (48, 64)
"""Rows and columns of the small pictures by which copies are found."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What was taken from every picture of a set, in its order.

    Attributes:
        ids: of the crowds.
        sizes: height and width of each, pixels.
        points: head points of each.
        store: features by which pictures are compared.
        small: light at 48 x 64 with its slow part taken away, one row a picture.
        textures: of each block of each picture, for counters that are made of the set itself.
        statistics: of single pictures, see `single_pictures`.
    """

    ids: list[str]
    sizes: list[tuple[int, int]]
    points: list[Floats]
    store: FeatureStore
    small: Floats
    textures: Floats
    statistics: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> NDArray[np.float64]:
        """Heads in each label."""
        return np.array([len(heads) for heads in self.points], dtype=float)


def survey(crowds: Sequence[Crowd], *, progress: Progress | None = None) -> Survey:
    """Reads each crowd once, several at a time; only as many are in memory as there are cores.

    Args:
        crowds: at least one.
        progress: hears how many are done.

    Raises:
        InputError: a picture is damaged.
    """
    canvas = canvas_for(_sizes(crowds))
    store = FeatureStore(canvas, len(crowds))
    taken = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for one in pool.map(lambda position: _taken(crowds[position], position, store), range(len(crowds))):
            taken.append(one)
            if progress is not None:
                progress(len(taken))
    store.finish()
    small = np.stack([one.small for one in taken])
    small -= small.mean(axis=0)
    return Survey(
        ids=[one.id for one in taken],
        sizes=[one.size for one in taken],
        points=[one.points for one in taken],
        store=store,
        small=small,
        textures=np.stack([one.texture for one in taken]),
        statistics=np.stack([one.statistics for one in taken]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    id: str
    size: tuple[int, int]
    points: Floats
    small: Floats
    texture: Floats
    statistics: NDArray[np.float64]


def _taken(crowd: Crowd, position: int, store: FeatureStore) -> _Taken:
    canvas = store.canvas
    octaves = raw_bands(crowd.image, canvas)
    store.put(
        position, ordered([whitened(octave, band) for octave, band in zip(octaves, canvas.bands, strict=True)], canvas)
    )
    light = on_canvas(crowd.image, Canvas(SMALL[0] // 8, SMALL[1] // 8, 8))["y"]
    return _Taken(
        crowd.id,
        (crowd.height, crowd.width),
        crowd.points.numpy(),
        (light - light.mean()).ravel(),
        texture_of(octaves, canvas),
        statistics_of(crowd.image),
    )


def _sizes(crowds: Sequence[Crowd]) -> list[tuple[int, int]]:
    """Height and width of each picture, or of a few where reading them all would mean decoding them."""
    if isinstance(crowds, AnnotatedCrowds):
        return [(image.height, image.width) for image in crowds.images]
    step = max(1, len(crowds) // 32)
    return [(crowds[position].height, crowds[position].width) for position in range(0, len(crowds), step)]
