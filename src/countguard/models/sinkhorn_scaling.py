"""Sinkhorn's iterations on exponentials, as the public code of DM-Count computes them (Wang et al., NeurIPS 2020)."""

import torch
from torch import Tensor

_LEAST = 1e-16
"""Added wherever is divided or a logarithm taken. Exponentials of far map cells are 0: this decides for them."""
_CHECKED, _CONVERGED = 10, 1e-9
"""Every so many iterations an image is left as it is whose shares are met to this squared error."""


@torch.no_grad()
def saturated_potential(
    cost: Tensor, heads: Tensor, density: Tensor, *, regularisation: float = 10.0, iterations: int = 100
) -> Tensor:
    """The dual potential of the density, for a batch, in float32 under any autocast.

    Exponentials of costs far above the regularisation vanish in float32 (of squared pixels beyond some 30 pixels), and
    the potential of a map cell that reaches no head saturates near regularisation * log(share / 1e-16). That is no
    optimal transport, but what public code trains with; `sinkhorn.dual_potentials` is exact.

    Args:
        cost: [B, N, M], of moving a unit from head n to map cell m.
        heads: [B, N], each row sums to 1; heads that only fill up the batch have 0.
        density: [B, M], each row sums to 1.
        regularisation: in units of the cost.
        iterations: at most; each updates both scalings.

    Returns:
        [B, M].
    """
    with torch.autocast(cost.device.type, enabled=False):
        kernel = torch.exp(cost.float() / -regularisation)
        heads, density = heads.float().unsqueeze(1), density.float().unsqueeze(1)
        of_heads = (heads > 0) / (heads > 0).sum(dim=2, keepdim=True)
        of_density = torch.full_like(density, 1 / density.shape[2])
        running = torch.ones_like(density[:, :, :1], dtype=torch.bool)
        for iteration in range(1, iterations + 1):
            next_density = density / (of_heads @ kernel + _LEAST)
            next_heads = heads / (next_density @ kernel.mT + _LEAST)
            of_density = torch.where(running, next_density, of_density)
            of_heads = torch.where(running, next_heads, of_heads)
            if iteration % _CHECKED == 0:
                met = of_heads @ kernel * of_density
                running = running & ((density - met).square().sum(dim=2, keepdim=True) > _CONVERGED)
        return regularisation * torch.log(of_density + _LEAST).squeeze(1)
