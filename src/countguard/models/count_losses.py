"""How far a density lies from the true heads, once its map cells are classified: DM-Count and two plain errors."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from countguard.models.sinkhorn import dual_potentials
from countguard.models.sinkhorn_scaling import saturated_potential

OT_WEIGHT, TV_WEIGHT = 0.1, 0.01
"""Shares of optimal transport and of total variation in DM-Count, as its authors set them."""
_LEAST = 1e-8
"""People, or their square, below which nothing is divided by them; the public code adds it everywhere."""


def absolute_error(density: Tensor, target: Tensor) -> Tensor:
    """Absolute error of people per map cell [B, 1, h, w], summed over the map: [B]."""
    return (density - target).abs().sum(dim=(1, 2, 3))


def squared_error(density: Tensor, target: Tensor) -> Tensor:
    """Squared error of people per map cell [B, 1, h, w], summed over the map: [B]."""
    return (density - target).square().sum(dim=(1, 2, 3))


def dm_count(density: Tensor, target: Tensor, points: Sequence[Tensor], stride: int) -> Tensor:
    """DM-Count as its authors' code and CLIP-EBC's compute it: [B], the mean of which is what they minimise.

    |count error| + 0.01 people * total variation + 0.1 transport, the first two averaged over the batch and the last
    one **summed**: so each image's transport is multiplied by B here. The transport's value is the density times a
    gradient that is held fixed, and therefore about 0; the gradient comes from `saturated_potential`. Total variation
    lacks the half of its definition. In float32.

    Args:
        density: people per map cell [B, 1, h, w], at least 0.
        target: the same of the true heads.
        points: B tensors, float32 [heads, 2], pixels.
        stride: side of a map cell, pixels.
    """
    with torch.autocast(density.device.type, enabled=False):
        density, target = density.float(), target.float()
        transport = density.new_zeros(len(density))
        if any(map(len, points)):
            shares, people = density.detach().flatten(1), density.detach().sum(dim=(1, 2, 3)).unsqueeze(1)
            cost, weights, held = _moves(points, density.shape[-2:], stride, density.device)
            potential = saturated_potential(cost, weights, shares / (people + _LEAST))
            squared = people.square() + _LEAST
            gradient = people / squared * potential - (shares * potential).sum(dim=1, keepdim=True) / squared
            transport = torch.where(held, (density.flatten(1) * gradient).sum(dim=1), 0.0)
        return _counted_and_varied(density, target) + len(density) * OT_WEIGHT * transport


def dm_count_exact(density: Tensor, target: Tensor, points: Sequence[Tensor], stride: int) -> Tensor:
    """DM-Count as its paper writes it: |count error| + 0.1 transport + 0.01 people * total variation, [B].

    The transport is exact, and so is its value: the squared pixels that a head's share has to move. Both distances are
    between maps that sum to 1; an image without heads has only the count error. Total variation lacks the half of its
    definition, as in `dm_count`, whose arguments this takes. In float32.
    """
    with torch.autocast(density.device.type, enabled=False):
        density, target = density.float(), target.float()
        transport = density.new_zeros(len(density))
        if any(map(len, points)):
            shares = (density / density.sum(dim=(1, 2, 3), keepdim=True).clamp_min(_LEAST)).flatten(1)
            cost, weights, held = _moves(points, density.shape[-2:], stride, density.device)
            of_heads, of_density = dual_potentials(cost, weights, shares.detach())
            # At the optimum the potentials move nothing (envelope theorem): the density's is its gradient.
            value = (weights * of_heads).sum(dim=1) + (shares * of_density).sum(dim=1)
            transport = torch.where(held, value, 0.0)
        return _counted_and_varied(density, target) + OT_WEIGHT * transport


def _counted_and_varied(density: Tensor, target: Tensor) -> Tensor:
    """The count error, and the total variation times the people: [B]."""
    people, true_people = density.sum(dim=(1, 2, 3)), target.sum(dim=(1, 2, 3))
    normed = density / people.clamp_min(_LEAST).view(-1, 1, 1, 1)
    normed_target = target / true_people.clamp_min(_LEAST).view(-1, 1, 1, 1)
    variation = (normed - normed_target).abs().sum(dim=(1, 2, 3)) * true_people
    return (people - true_people).abs() + TV_WEIGHT * variation


def _moves(
    points: Sequence[Tensor], cells: Sequence[int], stride: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Squared pixels from heads to map cells [B, N, M], the heads' shares [B, N], and which images hold heads [B].

    An image without heads gets one, which keeps the iterations finite; what comes out for it is to be dropped.
    """
    heads = pad_sequence([some.float() for some in points], batch_first=True)
    numbers = torch.tensor([len(some) for some in points]).to(device, non_blocking=True)
    held = torch.arange(heads.shape[1], device=device) < numbers.unsqueeze(1)
    held[:, 0] = True
    weights = held / numbers.clamp_min(1).unsqueeze(1)
    rows, columns = (stride * (torch.arange(side, device=device) + 0.5) for side in cells)
    from_columns = (heads[:, :, 0, None] - columns).square().unsqueeze(2)
    from_rows = (heads[:, :, 1, None] - rows).square().unsqueeze(3)
    return (from_rows + from_columns).flatten(2), weights, numbers > 0
