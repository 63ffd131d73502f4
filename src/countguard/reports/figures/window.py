"""Where one map differs most from another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of cells.

    Attributes:
        top, left: of its first cell.
        height, width: cells.
        change: sum of the difference inside it.
    """

    top: int
    left: int
    height: int
    width: int
    change: float


def largest_change(before: NDArray[np.float32], after: NDArray[np.float32], share: float = 0.35) -> Window:
    """The window in which the sum of `after` - `before` is farthest from 0.

    Sums, not single cells: what only moves inside the window cancels out, what vanishes does not.

    Args:
        before: [h, w].
        after: [h, w].
        share: side of the window as a share of each side of the map, in 0..1; at least one cell.
    """
    rows, columns = before.shape
    height, width = max(1, round(share * rows)), max(1, round(share * columns))
    total = np.zeros((rows + 1, columns + 1))
    total[1:, 1:] = (after.astype(np.float64) - before).cumsum(axis=0).cumsum(axis=1)
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(np.abs(sums).argmax(), sums.shape)
    return Window(int(top), int(left), height, width, float(sums[top, left]))
