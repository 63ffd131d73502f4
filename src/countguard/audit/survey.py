"""One pass over a set's pictures, which takes from each all that the audit compares later."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from countguard.audit.features import Canvas, Floats, bands_of, canvas_for, features_of, on_canvas
from countguard.audit.local_marks import Windows, windows_of
from countguard.audit.single_pictures import statistics_of
from countguard.audit.store import Coded, FeatureStore, coded
from countguard.audit.textures import texture_of
from countguard.data.annotated import AnnotatedCrowds
from countguard.data.crowd import Crowd

SMALL = (48, 64)
"""Rows and columns of the small pictures by which copies are found."""
_SIZES = 64
"""Pictures whose sizes choose the canvas, where reading a size means decoding a picture."""
_BLOCK = 8
"""Pictures that one task takes."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What is taken from one picture; it does not depend on the others.

    Attributes:
        id: of the crowd.
        size: height and width, pixels.
        points: head points, float32 [heads, 2].
        features: by which pictures are compared, see `features`.
        small: light at 48 x 64, by which copies are found: float32 [3072].
        texture: of each block, for counters that are made of the set itself, see `textures`.
        windows: by which marks in one place are found, see `local_marks`.
        statistics: see `single_pictures`.
    """

    id: str
    size: tuple[int, int]
    points: Floats
    features: Coded
    small: Floats
    texture: Floats
    windows: Windows
    statistics: NDArray[np.float64]


TakeBlocks: TypeAlias = Callable[[Sequence[Crowd], Canvas, Sequence[range]], Iterator[Sequence[Taken]]]
"""Takes blocks of a set's pictures, each block where and when it likes, and gives what they gave in their order.

`in_threads` is one; others are in `countguard.studies.executors.blocks`.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What was taken from every picture of a set, in its order; see `Taken`."""

    ids: list[str]
    sizes: list[tuple[int, int]]
    points: list[Floats]
    store: FeatureStore
    small: Floats
    textures: Floats
    windows: Windows
    statistics: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> NDArray[np.float64]:
        """Heads in each label."""
        return np.array([len(heads) for heads in self.points], dtype=float)


def in_threads(crowds: Sequence[Crowd], canvas: Canvas, blocks: Sequence[range]) -> Iterator[Sequence[Taken]]:
    """In this process, a block at a time on each core."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        yield from in_order(lambda block: pool.submit(take_block, crowds, canvas, block), blocks, 2 * cores)


def in_order(
    submit: Callable[[range], "Future[list[Taken]]"], blocks: Sequence[range], ahead: int
) -> Iterator[Sequence[Taken]]:
    """The results of blocks in their order; only so many are submitted and not yet given, to bound the memory."""
    waiting: deque[Future[list[Taken]]] = deque()
    try:
        for block in blocks:
            waiting.append(submit(block))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for task in waiting:
            task.cancel()


def survey(
    crowds: Sequence[Crowd], *, progress: Progress | None = None, take_blocks: TakeBlocks = in_threads
) -> Survey:
    """Reads each crowd once, several at a time; only as many are in memory as there are cores.

    Args:
        crowds: at least one.
        progress: hears how many are done.
        take_blocks: where the pictures are read; the result is the same.

    Raises:
        InputError: a picture is damaged.
    """
    canvas = canvas_for(_sizes(crowds))
    blocks = [range(start, min(start + _BLOCK, len(crowds))) for start in range(0, len(crowds), _BLOCK)]
    taken = (one for block in take_blocks(crowds, canvas, blocks) for one in block)
    return gathered(taken, canvas, len(crowds), progress=progress)


def take_block(crowds: Sequence[Crowd], canvas: Canvas, block: range) -> list[Taken]:
    """What the pictures of a block give, one after the other."""
    return [take(crowds[position], canvas) for position in block]


def take(crowd: Crowd, canvas: Canvas) -> Taken:
    """All that one picture gives."""
    channels = on_canvas(crowd.image, canvas)
    octaves = bands_of(channels, canvas)
    light = functional.interpolate(torch.from_numpy(channels["y"])[None, None], SMALL, mode="area")[0, 0].numpy()
    return Taken(
        id=crowd.id,
        size=(crowd.height, crowd.width),
        points=crowd.points.numpy(),
        features=coded(features_of(octaves, canvas), canvas),
        small=(light - light.mean()).ravel(),
        texture=texture_of(octaves, canvas),
        windows=windows_of(octaves, canvas),
        statistics=statistics_of(crowd.image),
    )


def gathered(taken: Iterable[Taken], canvas: Canvas, length: int, *, progress: Progress | None = None) -> Survey:
    """The survey of a set out of what its pictures gave, in their order."""
    store = FeatureStore(canvas, length)
    rest = iter(taken)
    first = next(rest)
    ids, sizes, points = [], [], []
    # room for all at once: a list of the parts would have to be copied
    small = np.empty((length, *first.small.shape), np.float32)
    textures = np.empty((length, *first.texture.shape), np.float32)
    windows = np.empty((length, *first.windows.shape), np.int8)
    statistics = np.empty((length, *first.statistics.shape))
    for position, one in enumerate(chain([first], rest)):
        store.put(position, one.features)
        ids.append(one.id)
        sizes.append(one.size)
        points.append(one.points)
        small[position], textures[position] = one.small, one.texture
        windows[position], statistics[position] = one.windows, one.statistics
        if progress is not None:
            progress(position + 1)
    store.finish()
    small -= small.mean(axis=0)
    return Survey(ids, sizes, points, store, small, textures, windows, statistics)


def _sizes(crowds: Sequence[Crowd]) -> list[tuple[int, int]]:
    if isinstance(crowds, AnnotatedCrowds):
        return [(image.height, image.width) for image in crowds.images]
    step = max(1, len(crowds) // _SIZES)
    some = (crowds[position] for position in range(0, len(crowds), step))
    return [(crowd.height, crowd.width) for crowd in some]
