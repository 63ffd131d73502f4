"""Bayesian loss: each head should find one person in map cells that are likely its own (Ma et al., ICCV 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor

SIGMA = 8.0
"""Pixels: how far a head's map cells lie from it."""
BACKGROUND = 0.15
"""Distance from a head, as a fraction of the image's shorter side, at which a map cell is as likely nobody's."""


def bayesian_loss(density: Tensor, points: Sequence[Tensor], stride: int) -> Tensor:
    """Absolute error of the people expected at each head, and of those in the background, summed: [B].

    In float32. An image without heads is asked to hold nobody.

    Args:
        density: people per map cell [B, 1, h, w].
        points: B tensors, float32 [heads, 2], pixels.
        stride: side of a map cell, pixels.
    """
    with torch.autocast(density.device.type, enabled=False):
        density = density.float()
        return torch.stack([_of_image(cells[0], heads, stride) for cells, heads in zip(density, points, strict=True)])


def _of_image(cells: Tensor, heads: Tensor, stride: int) -> Tensor:
    if len(heads) == 0:
        return cells.abs().sum()
    rows, columns = (stride * (torch.arange(side, device=cells.device) + 0.5) for side in cells.shape)
    across = (heads[:, 0, None] - columns).square()
    down = (heads[:, 1, None] - rows).square()
    squared = (down.unsqueeze(2) + across.unsqueeze(1)).flatten(1)
    nearest = squared.min(dim=0, keepdim=True).values
    nobody = (stride * min(cells.shape) * BACKGROUND) ** 2 / (nearest + 1e-5)
    owner = torch.cat([squared, nobody]).div(-2 * SIGMA**2).softmax(dim=0)
    expected = owner @ cells.flatten()
    wanted = torch.ones_like(expected)
    wanted[-1] = 0.0
    return (expected - wanted).abs().sum()
