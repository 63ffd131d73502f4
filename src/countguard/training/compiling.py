"""Compiles a counter for the batch sizes that are frequent in a training."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from countguard.errors import RunError
from countguard.models.counter import Counter

Size = tuple[int, int, int]
"""Number of images in a batch, their height and their width."""

PAYS = 3000
"""Steps of one size after which compiling has saved more time on a GPU than it took."""
_WARM_UP = 3
"""Passes before one is captured; during them kernels are chosen and memory is allocated."""


@contextmanager
def compiled(counter: Counter, sizes: Collection[Size]) -> Iterator[None]:
    """A block in which the counter trains faster on batches of these sizes, and as usual on others.

    Each size is compiled separately, on first use. A GPU replays the kernels of a whole pass as one graph and does not
    wait for Python, which needs longer to start the kernels for a single image than they need to run.

    Args:
        counter: its method `Counter.compiled_method` is replaced in this object only, and restored at the end.
        sizes: of batches, before padding.
    """
    if not sizes:
        yield
        return
    name = counter.compiled_method
    replaced = _Error(counter, sizes) if name == "error" else _network(counter, getattr(counter, name), sizes)
    setattr(counter, name, replaced)
    try:
        yield
    finally:
        delattr(counter, name)
        torch.compiler.reset()  # gives the graphs' memory back, and counts the compilations of the next training anew


def _network(
    counter: Counter, plain: Callable[[Tensor], Tensor], sizes: Collection[Size]
) -> Callable[[Tensor], Tensor]:
    """The network, compiled for calls that need gradients; the forward and the backward pass are one graph each."""
    fast = torch.compile(plain, mode="reduce-overhead", dynamic=False)
    padded = {
        (images, height + -height % counter.align, width + -width % counter.align) for images, height, width in sizes
    }

    def network(normalised: Tensor) -> Tensor:
        images, _, height, width = normalised.shape
        often = torch.is_grad_enabled() and (images, height, width) in padded
        return fast(normalised) if often else plain(normalised)

    return network


class _Error:
    """`Counter.error` with forward and backward pass captured together, once for each size."""

    def __init__(self, counter: Counter, sizes: Collection[Size]) -> None:
        self._counter, self._sizes = counter, set(sizes)
        self._plain = counter.error
        self._captured: dict[Size, _Capture] = {}

    def __call__(self, images: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        size = (images.shape[0], images.shape[2], images.shape[3])
        if size not in self._sizes or not torch.is_grad_enabled():
            return self._plain(images, target, weights)
        if size not in self._captured:
            self._captured[size] = self._capture((images, target, weights))
        capture = self._captured[size]
        error: Tensor = _Replayed.apply(capture, (images, target, weights), *capture.parameters)
        return error

    def _capture(self, given: tuple[Tensor, ...]) -> "_Capture":
        try:
            return _Capture(self._counter, self._plain, given)
        except (torch.OutOfMemoryError, torch.AcceleratorError):
            raise
        except Exception as error:  # what a compiler says depends on what is missing, and on torch
            said = (str(error).splitlines() or [""])[0]
            raise RunError(
                f"the counter cannot be compiled ({type(error).__name__}: {said}); machine.compile: false does without"
            ) from error


class _Capture:
    """One captured pass of one size: replaying it reads the inputs in `given`, and fills `error` and `gradients`."""

    def __init__(self, counter: Counter, plain: Callable[..., Tensor], given: tuple[Tensor, ...]) -> None:
        self._given = [tensor.clone() for tensor in given]
        self.parameters = [parameter for parameter in counter.parameters() if parameter.requires_grad]
        self._graph = torch.cuda.CUDAGraph()
        statistics = [buffer.clone() for buffer in counter.buffers()]
        fast = torch.compile(plain, dynamic=False)
        # without autocast's cache, which would keep the half precision twins of today's weights
        with torch.autocast("cuda", torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda"), False):
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(_WARM_UP):
                    self._pass(fast)
            torch.cuda.current_stream().wait_stream(beside)
            with torch.cuda.graph(self._graph):
                self.error, self.gradients = self._pass(fast)
        with torch.no_grad():
            for buffer, before in zip(counter.buffers(), statistics, strict=True):
                buffer.copy_(before)  # the passes so far were none of the training's

    def _pass(self, fast: Callable[..., Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        error = fast(*self._given)
        return error.detach(), torch.autograd.grad(error, self.parameters)

    def replay(self, given: tuple[Tensor, ...]) -> Tensor:
        """The error of a batch; the gradients are then ready too."""
        for place, tensor in zip(self._given, given, strict=True):
            place.copy_(tensor)
        self._graph.replay()
        return self.error.clone()


class _Replayed(torch.autograd.Function):
    """Lets autograd take the gradients that a captured pass computed."""

    @staticmethod
    def forward(ctx: Any, capture: _Capture, given: tuple[Tensor, ...], *parameters: Tensor) -> Tensor:
        ctx.capture = capture
        return capture.replay(given)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *torch._foreach_mul(list(ctx.capture.gradients), gradient)
