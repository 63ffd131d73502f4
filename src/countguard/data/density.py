"""Head points to density maps, exactly, at the counter's own stride.

A Gaussian's part in a map cell is a product of two differences of the normal distribution function, one across and one
down. The map of an image is therefore one matrix product, shares down times shares across, summed over its heads;
no map of the image's full size is ever made.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from countguard.data.kernels import Adaptive, Dots, Fixed, Kernel

_LEAST_SIGMA = 1e-3
"""Pixels. Far below any map cell, so that it acts as a point; above 0, so that nothing is divided by 0."""


def density_map(points: Tensor, height: int, width: int, *, stride: int = 8, kernel: Kernel = Fixed(15.0)) -> Tensor:
    """People per map cell for one image: float32 [1, ceil(H/stride), ceil(W/stride)], on the points' device.

    The same as `density_maps` with a batch of one.
    """
    return density_maps([points], height, width, stride=stride, kernels=kernel)[0]


def density_maps(
    points: Sequence[Tensor],
    height: int,
    width: int,
    *,
    stride: int = 8,
    kernels: Kernel | Sequence[Kernel] = Fixed(15.0),
) -> Tensor:
    """People per map cell for a batch of images of one size.

    Each head counts exactly 1: what its Gaussian would spill over the border is given back inside the image, and a head
    outside the image is moved to its border first. Map cells at the right and bottom end where the image ends.
    Computed in float64, which neither autocast nor TF32 touches: both would cost more than 1e-4 of the mass.
    Nothing waits for the device.

    Args:
        points: B tensors float32 [heads, 2], x then y, in pixels; all on one device.
        height: of the images, pixels.
        width: of the images, pixels.
        stride: side of a map cell, pixels.
        kernels: one for all images, or one an image.

    Returns:
        float32 [B, 1, ceil(H/stride), ceil(W/stride)] on the points' device.
    """
    chosen = kernels if isinstance(kernels, Sequence) else [kernels] * len(points)
    if not points:
        return torch.zeros(0, 1, -(-height // stride), -(-width // stride))
    counts = [len(heads) for heads in points]
    everyone = torch.cat(list(points)).double()
    everyone = torch.stack([everyone[:, 0].clamp(0, width), everyone[:, 1].clamp(0, height)], dim=1)
    spread = [
        _spread(heads, height, width, kernel)
        for heads, kernel in zip(everyone.split_with_sizes(counts), chosen, strict=True)
    ]
    centres, sigmas = (torch.cat(parts) for parts in zip(*spread, strict=True))
    across = _shares(centres[:, 0], sigmas, width, stride).split_with_sizes(counts)
    down = _shares(centres[:, 1], sigmas, height, stride).split_with_sizes(counts)
    maps = [rows.T @ columns for rows, columns in zip(down, across, strict=True)]
    return torch.stack(maps).unsqueeze(1).float()


def _spread(heads: Tensor, height: int, width: int, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Centres [heads, 2] and sigmas [heads] of the Gaussians that stand for the heads of one image."""
    match kernel:
        case Fixed(sigma=sigma):
            return heads, heads.new_full((len(heads),), max(sigma, _LEAST_SIGMA))
        case Adaptive():
            return heads, _adaptive_sigmas(heads, kernel)
        case Dots():
            # A point in the middle of its pixel lies wholly in one map cell, whatever the stride.
            x = heads[:, 0].floor().clamp(max=width - 1)
            y = heads[:, 1].floor().clamp(max=height - 1)
            return torch.stack([x, y], dim=1) + 0.5, heads.new_full((len(heads),), _LEAST_SIGMA)


def _adaptive_sigmas(heads: Tensor, kernel: Adaptive) -> Tensor:
    others = min(kernel.neighbors, len(heads) - 1)
    if others < 1:
        return heads.new_full((len(heads),), max(kernel.fallback, _LEAST_SIGMA))
    nearest = _nearest_by_tree if heads.device.type == "cpu" else _nearest_by_pairs
    sigmas = kernel.beta * nearest(heads, others).mean(dim=1)
    return sigmas.clamp(min=max(kernel.floor, _LEAST_SIGMA))


def _nearest_by_tree(heads: Tensor, others: int) -> Tensor:
    """Distances from each head to the nearest other heads, [heads, others]; 0 between heads that coincide."""
    from scipy.spatial import KDTree

    distances, _ = KDTree(heads.numpy()).query(heads.numpy(), k=others + 1)
    return torch.from_numpy(distances)[:, 1:]


def _nearest_by_pairs(heads: Tensor, others: int) -> Tensor:
    """The same from all pairs: more work than a tree, but without a copy to the host."""
    # A few heads at a time, or the pairs of 10,000 heads would fill 800 MB. Without matrix products, whose
    # cancellation would keep a head from being at distance 0 of itself.
    parts = [
        torch.cdist(some, heads, compute_mode="donot_use_mm_for_euclid_dist").topk(others + 1, largest=False).values
        for some in torch.split(heads, 1024)
    ]
    return torch.cat(parts)[:, 1:]


def _shares(position: Tensor, sigma: Tensor, length: int, stride: int) -> Tensor:
    """Part of each head in each map cell along one side, [heads, ceil(length/stride)]; each row sums to 1."""
    cells = -(-length // stride)
    borders = (torch.arange(cells + 1, device=position.device) * stride).clamp(max=length)
    distribution = torch.erf((borders - position[:, None]) / (sigma[:, None] * math.sqrt(2)))
    inside = distribution[:, -1:] - distribution[:, :1]
    return distribution.diff(dim=1) / inside
