"""Density targets as the public reference codes make them, faults and all: for comparison, never for training.

Both draw dots on a map of the image's full size, one a pixel, and blur them with `scipy.ndimage.gaussian_filter`. They
share these faults, none of which `countguard.data.density` has:

- heads that share a pixel become one;
- what a Gaussian spills over the border is lost.

They differ in the pixel that a head gets. The paper's code for Part_B (`csrnet_map`) rounds: half of the heads stand
one pixel too far right, and half one too low; beyond the right or bottom border they go to the last column or row.
The CSRNet authors' code (`csrnet_adaptive_map`) cuts off, and drops heads on or beyond these borders.

Each takes what `density_map` takes, apart from the kernel, and returns what it returns, on the CPU.
"""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree
from torch import Tensor
from torch.nn import functional

Reduction: TypeAlias = Literal["sum", "cubic"]
"""How a full-size map becomes one of cells: by the sum of each cell's pixels, or by cubic sampling.

`cubic` is OpenCV's INTER_CUBIC, times stride squared: at stride 8 it reads the 16 pixels in the middle of each cell and
none of the other 48, so the mass of narrow Gaussians depends on where in its cell a head lies, and shares beside a head
can be negative. It drops the cells that the image fills only in part by stretching the others over them.
"""

FullSize: TypeAlias = npt.NDArray[np.float32]


def csrnet_map(
    points: Tensor, height: int, width: int, *, stride: int = 8, sigma: float = 15.0, reduction: Reduction = "sum"
) -> Tensor:
    """The fixed Gaussian of the paper's code: dots, one filter, the whole scaled to the number of heads.

    Further faults: the scaling gives mass that was merged or lost at one head to all the others, so the count is right
    and the places are not; a head beyond the left or top border appears at the opposite one; an image without a head
    becomes NaN (0/0).

    Args:
        points: float32 [heads, 2], x then y, pixels.
        height: of the image, pixels.
        width: of the image, pixels.
        stride: side of a cell, pixels.
        sigma: of the Gaussian, pixels.
        reduction: to cells.

    Returns:
        float32 [1, ceil(H/stride), ceil(W/stride)]; rounded down where the reduction is cubic.
    """
    dots = np.zeros((height, width), dtype=np.float32)
    for x, y in points.tolist():
        dots[min(round(y), height - 1), min(round(x), width - 1)] = 1
    density = gaussian_filter(dots, sigma, mode="constant")
    with np.errstate(divide="ignore", invalid="ignore"):
        return reduce_map(density * (len(points) / density.sum()), stride, reduction)


def csrnet_adaptive_map(
    points: Tensor, height: int, width: int, *, stride: int = 8, reduction: Reduction = "sum"
) -> Tensor:
    """The geometry-adaptive Gaussian of the CSRNet authors' code: one full-size filter a head, 3 neighbours, beta 0.3.

    Further faults: 2 or 3 heads have neighbours at infinite distance, so that the filter fails; a lone head is
    spread over a quarter of the image's mean side; sigma comes from whole pixels.

    Args:
        points: float32 [heads, 2], x then y, pixels.
        height: of the image, pixels.
        width: of the image, pixels.
        stride: side of a cell, pixels.
        reduction: to cells.

    Returns:
        float32 [1, ceil(H/stride), ceil(W/stride)]; rounded down where the reduction is cubic.

    Raises:
        OverflowError: 2 or 3 heads.
    """
    dots = np.zeros((height, width), dtype=np.float32)
    for x, y in points.tolist():
        if 0 <= x < width and 0 <= y < height:
            dots[int(y), int(x)] = 1
    pixels = np.argwhere(dots)
    density = np.zeros_like(dots)
    if len(pixels):
        distances = np.asarray(KDTree(pixels).query(pixels, k=4)[0])
        for (row, column), nearest in zip(pixels, distances, strict=True):
            dot = np.zeros_like(dots)
            dot[row, column] = 1
            sigma = 0.1 * nearest[1:].sum() if len(pixels) > 1 else (height + width) / 2 / 4
            density += gaussian_filter(dot, sigma, mode="constant")
    return reduce_map(density, stride, reduction)


def reduce_map(density: FullSize, stride: int, reduction: Reduction) -> Tensor:
    """Full-size map [H, W] to float32 [1, cells down, cells across]; see `Reduction`."""
    height, width = density.shape
    full_size = torch.from_numpy(density)[None, None]
    if reduction == "cubic":
        cells = (height // stride, width // stride)
        return functional.interpolate(full_size, size=cells, mode="bicubic")[0] * stride**2
    padded = functional.pad(full_size, (0, -width % stride, 0, -height % stride))
    return functional.avg_pool2d(padded, stride)[0] * stride**2
