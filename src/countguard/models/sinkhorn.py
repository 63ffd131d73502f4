"""Optimal transport between heads and density, by Sinkhorn's iterations (Cuturi, NeurIPS 2013)."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from countguard.compilers import can_compile_for_gpu

Update = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@torch.no_grad()
def dual_potentials(
    cost: Tensor, heads: Tensor, density: Tensor, *, regularisation: float = 10.0, iterations: int = 100
) -> tuple[Tensor, Tensor]:
    """The dual potentials of entropic optimal transport, for a batch.

    The entropy is taken against the product of both measures. Computed on logarithms, so that a regularisation far
    below the costs does not underflow, and in float32 under any autocast.

    Args:
        cost: [B, N, M], of moving a unit from head n to cell m.
        heads: [B, N], each row sums to 1; heads that only fill up the batch have 0.
        density: [B, M], each row sums to 1.
        regularisation: in units of the cost.
        iterations: each updates both potentials.

    Returns:
        [B, N] and [B, M]. Once converged, the transport's value is sum(heads * first) + sum(density * second), and
        the second is its gradient by the density, up to a constant.
    """
    with torch.autocast(cost.device.type, enabled=False):
        scaled = cost.float() / -regularisation
        log_heads, log_density = heads.float().log(), density.float().log()
        of_density = torch.zeros_like(log_density)
        of_heads = torch.zeros_like(log_heads)
        update = _compiled() if cost.is_cuda and can_compile_for_gpu() else _updated
        for _ in range(iterations):
            of_heads = update(scaled, of_density, log_density, 1)
            of_density = update(scaled, of_heads, log_heads, 2)
        return regularisation * of_heads, regularisation * of_density


def _updated(scaled: Tensor, other: Tensor, log_other: Tensor, unsqueezed: int) -> Tensor:
    """One potential from the other, over `regularisation`."""
    return -torch.logsumexp(scaled + (other + log_other).unsqueeze(unsqueezed), dim=3 - unsqueezed)


@cache
def _compiled() -> Update:
    """The same in one pass over the costs: a GPU else spends its time on starting 2,000 small kernels."""
    return torch.compile(_updated, dynamic=True)
