"""How far a density lies from the true heads, once its cells are classified: DM-Count and two plain errors."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from countguard.models.sinkhorn import dual_potentials

OT_WEIGHT, TV_WEIGHT = 0.1, 0.01
"""Shares of optimal transport and of total variation in DM-Count, as its authors set them."""


def absolute_error(density: Tensor, target: Tensor) -> Tensor:
    """Absolute error of people per cell [B, 1, h, w], summed over the map: [B]."""
    return (density - target).abs().sum(dim=(1, 2, 3))


def squared_error(density: Tensor, target: Tensor) -> Tensor:
    """Squared error of people per cell [B, 1, h, w], summed over the map: [B]."""
    return (density - target).square().sum(dim=(1, 2, 3))


def dm_count(density: Tensor, target: Tensor, points: Sequence[Tensor], stride: int) -> Tensor:
    """DM-Count (Wang et al., NeurIPS 2020): |count error| + 0.1 transport + 0.01 people * total variation.

    In float32, one number an image [B]. Both distances are between maps that sum to 1; an image without heads has only
    the count error. Total variation lacks the half of its definition, as in the authors' code and in CLIP-EBC's.

    Args:
        density: people per cell [B, 1, h, w], at least 0.
        target: the same of the true heads.
        points: B tensors, float32 [heads, 2], pixels.
        stride: side of a cell, pixels.
    """
    with torch.autocast(density.device.type, enabled=False):
        density, target = density.float(), target.float()
        people, true_people = density.sum(dim=(1, 2, 3)), target.sum(dim=(1, 2, 3))
        normed = density / people.clamp_min(1e-8).view(-1, 1, 1, 1)
        normed_target = target / true_people.clamp_min(1e-8).view(-1, 1, 1, 1)
        variation = (normed - normed_target).abs().sum(dim=(1, 2, 3)) * true_people
        transport = _transport(normed, points, stride)
        return (people - true_people).abs() + OT_WEIGHT * transport + TV_WEIGHT * variation


def _transport(normed: Tensor, points: Sequence[Tensor], stride: int) -> Tensor:
    """Squared pixels that a head's share has to move, one number an image [B]; 0 where there is no head."""
    heads = pad_sequence([heads.float() for heads in points], batch_first=True)
    if heads.shape[1] == 0:
        return normed.new_zeros(len(normed))
    numbers = torch.tensor([len(heads) for heads in points]).to(normed.device, non_blocking=True)
    held = torch.arange(heads.shape[1], device=normed.device) < numbers.unsqueeze(1)
    held[:, 0] = True  # an image without heads has one, which keeps the iterations finite; its result is dropped below
    weights = held / numbers.clamp_min(1).unsqueeze(1)
    rows, columns = (stride * (torch.arange(side, device=normed.device) + 0.5) for side in normed.shape[-2:])
    from_columns = (heads[:, :, 0, None] - columns).square().unsqueeze(2)
    from_rows = (heads[:, :, 1, None] - rows).square().unsqueeze(3)
    cost = (from_rows + from_columns).flatten(2)
    shares = normed.flatten(1)
    of_heads, of_density = dual_potentials(cost, weights, shares.detach())
    # At the optimum the potentials move nothing (envelope theorem): the gradient by the density is its potential.
    value = (weights * of_heads).sum(1) + (shares * of_density).sum(1)
    return torch.where(numbers > 0, value, 0.0)
