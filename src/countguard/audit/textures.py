"""What each block of a picture looks like, in a few numbers: enough for a counter that learns within seconds."""

import numpy as np
from scipy import ndimage

from countguard.audit.features import Canvas, Floats

_FLAT = 0.5
"""Grey levels added before a logarithm."""


def texture_of(octaves: list[Floats], canvas: Canvas) -> Floats:
    """Contrast in every octave, of each block and around it: float32 [blocks, numbers].

    A block is a quarter of a tile. Where it lies is told too, since people far away are small.

    Args:
        octaves: as `raw_bands` gives them.
        canvas: of the set.
    """
    rows, columns = 2 * canvas.rows, 2 * canvas.columns
    maps = []
    for octave, band in zip(octaves, canvas.bands, strict=True):
        blocks = _pooled(np.abs(octave), rows, columns)
        maps.append(np.log(blocks + _FLAT))
        if band.channel == "y":
            maps.append(_pooled(octave * np.abs(octave), rows, columns) / (blocks * blocks + _FLAT))
    seen = np.stack(maps)
    around = ndimage.uniform_filter(seen, (0, 3, 3), mode="nearest")
    everywhere = np.broadcast_to(seen.mean(axis=(1, 2))[:, None, None], seen.shape)
    row, column = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    place = np.stack([row, row * row, column, column * column])
    numbers = np.concatenate([seen, around, everywhere, place]).astype(np.float32)
    return numbers.reshape(len(numbers), -1).T.copy()


def blocks_of(points: Floats, size: tuple[int, int], canvas: Canvas) -> Floats:
    """Heads in each block: float32 [blocks].

    Args:
        points: [heads, 2], x then y, pixels.
        size: height and width of the picture, pixels.
        canvas: of the set.
    """
    rows, columns = 2 * canvas.rows, 2 * canvas.columns
    down = np.clip((points[:, 1] * rows / size[0]).astype(int), 0, rows - 1)
    across = np.clip((points[:, 0] * columns / size[1]).astype(int), 0, columns - 1)
    return np.bincount(down * columns + across, minlength=rows * columns).astype(np.float32)


def _pooled(values: Floats, rows: int, columns: int) -> Floats:
    side = values.shape[0] // rows
    if side >= 1:
        pooled: Floats = values.reshape(rows, side, columns, side).mean(axis=(1, 3))
        return pooled
    repeat = rows // values.shape[0]
    return values.repeat(repeat, axis=0).repeat(repeat, axis=1)
