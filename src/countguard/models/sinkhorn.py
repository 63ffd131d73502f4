"""Optimal transport between heads and density, by Sinkhorn's iterations (Cuturi, NeurIPS 2013)."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from countguard.compilers import can_compile_for_gpu

_HEADS = 64
"""On a GPU heads are filled up to a multiple of this, so that few sizes have to be captured."""


@torch.no_grad()
def dual_potentials(
    cost: Tensor, heads: Tensor, density: Tensor, *, regularisation: float = 10.0, iterations: int = 100
) -> tuple[Tensor, Tensor]:
    """The dual potentials of entropic optimal transport, for a batch.

    The entropy is taken against the product of both measures. Computed on logarithms, so that a regularisation far
    below the costs does not underflow, and in float32 under any autocast.

    Args:
        cost: [B, N, M], of moving a unit from head n to map cell m.
        heads: [B, N], each row sums to 1; heads that only fill up the batch have 0.
        density: [B, M], each row sums to 1.
        regularisation: in units of the cost.
        iterations: each updates both potentials.

    Returns:
        [B, N] and [B, M]. Once converged, the transport's value is sum(heads * first) + sum(density * second), and
        the second is its gradient by the density, up to a constant.
    """
    with torch.autocast(cost.device.type, enabled=False):
        scaled, log_heads, log_density = cost.float() / -regularisation, heads.float().log(), density.float().log()
        if cost.is_cuda and can_compile_for_gpu():
            of_heads, of_density = _on_gpu(scaled, log_heads, log_density, iterations)
        else:
            of_heads, of_density = _iterated(scaled, log_heads, log_density, iterations, _updated)
        return regularisation * of_heads, regularisation * of_density


def _updated(scaled: Tensor, other: Tensor, log_other: Tensor, unsqueezed: int) -> Tensor:
    """One potential from the other, over the regularisation."""
    return -torch.logsumexp(scaled + (other + log_other).unsqueeze(unsqueezed), dim=3 - unsqueezed)


def _iterated(
    scaled: Tensor, log_heads: Tensor, log_density: Tensor, iterations: int, update: Callable[..., Tensor]
) -> tuple[Tensor, Tensor]:
    of_density, of_heads = torch.zeros_like(log_density), torch.zeros_like(log_heads)
    for _ in range(iterations):
        of_heads = update(scaled, of_density, log_density, 1)
        of_density = update(scaled, of_heads, log_heads, 2)
    return of_heads, of_density


def _on_gpu(scaled: Tensor, log_heads: Tensor, log_density: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """The same as one captured graph: 200 kernels, which Python starts slower than they run, and 2,000 uncompiled."""
    heads = scaled.shape[1]
    missing = -heads % _HEADS
    filled = functional.pad(scaled, (0, 0, 0, missing))
    log_heads = functional.pad(log_heads, (0, missing), value=-torch.inf)
    of_heads, of_density = _captured(filled.shape, scaled.device, iterations)(filled, log_heads, log_density)
    return of_heads[:, :heads], of_density


class _Captured:
    """Sinkhorn's iterations of one size as one graph."""

    def __init__(self, shape: torch.Size, device: torch.device, iterations: int) -> None:
        self._scaled = torch.zeros(shape, device=device)
        self._log_heads, self._log_density = self._scaled[:, :, 0].clone(), self._scaled[:, 0].clone()
        given = (self._scaled, self._log_heads, self._log_density)
        update = torch.compile(_updated, dynamic=True)
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            _iterated(*given, 2, update)
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._potentials = _iterated(*given, iterations, update)

    def __call__(self, scaled: Tensor, log_heads: Tensor, log_density: Tensor) -> tuple[Tensor, Tensor]:
        self._scaled.copy_(scaled)
        self._log_heads.copy_(log_heads)
        self._log_density.copy_(log_density)
        self._graph.replay()
        of_heads, of_density = self._potentials
        return of_heads.clone(), of_density.clone()


_captured = lru_cache(maxsize=16)(_Captured)
