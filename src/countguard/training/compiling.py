"""Compiles a counter's network for the sizes that a training meets often."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from countguard.models.counter import Counter

Size = tuple[int, int, int]
"""Images a batch, their height and their width."""

PAYS = 3000
"""Steps of one size, after which a GPU has won back the time that its compilation takes."""


@contextmanager
def compiled(counter: Counter, sizes: Collection[Size]) -> Iterator[None]:
    """Within, the network of the counter runs compiled where gradients are wanted of a batch of one of these sizes.

    Each size is compiled by itself, on first use, and its kernels are captured as one graph, which a GPU replays
    without waiting for Python. Whatever is of another size, as the odd sizes of ShanghaiTech Part_A, runs as ever.

    Args:
        counter: its method `Counter.network_name` is replaced in this object alone, and put back at the end.
        sizes: of batches, before padding.
    """
    if not sizes:
        yield
        return
    padded = {
        (images, height + -height % counter.align, width + -width % counter.align) for images, height, width in sizes
    }
    plain: Callable[[Tensor], Tensor] = getattr(counter, counter.network_name)
    fast = torch.compile(plain, mode="reduce-overhead", dynamic=False)

    def network(normalised: Tensor) -> Tensor:
        images, _, height, width = normalised.shape
        often = torch.is_grad_enabled() and (images, height, width) in padded
        return fast(normalised) if often else plain(normalised)

    setattr(counter, counter.network_name, network)
    try:
        yield
    finally:
        delattr(counter, counter.network_name)
        torch.compiler.reset()  # gives the graphs' memory back, and counts the compilations of the next training anew
