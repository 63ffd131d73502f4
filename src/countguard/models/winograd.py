"""Winograd's fast convolution F(4x4, 3x3) for wide layers on a CPU (Lavin and Gray, CVPR 2016).

Each tile of 4x4 outputs takes 36 multiplications for a pair of channels where a convolution takes 144. The
multiplications are 36 matrix products over all tiles; what is left are sums of a few neighbours, which are worth it
where there are many channels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

TILE = 4
"""Side of a tile of outputs."""
WINDOW = 6
"""Side of the inputs that a tile needs."""
BLOCK = 1 << 22
"""Numbers that are transformed at one time: 16 MiB, so that most of it stays in a CPU's cache."""
WIDE = 128
"""Channels, in and out, from which on this is faster than oneDNN's convolution; with 64 it is slower."""
LEAST_WORK = 1e9
"""Multiplications of a convolution from which on the time that is saved is more than that of starting 40 operations."""

_KERNEL = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
"""G of the paper: from a kernel's three weights to six."""


def suits(layer: nn.Module) -> bool:
    """Whether a layer is a convolution that `Winograd` does, and does faster."""
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.stride == (1, 1)
        and layer.dilation[0] == layer.dilation[1]
        and isinstance(layer.padding, tuple)
        and layer.padding[0] == layer.padding[1]
        and layer.padding_mode == "zeros"
        and layer.groups == 1
        and min(layer.in_channels, layer.out_channels) >= WIDE
        and layer.weight.dtype == torch.float32
    )


class Winograd:
    """What a layer's `forward` does, in less time where nothing asks for gradients.

    The counts agree to rounding: the outputs differ by about 1e-5 of the largest. The transformed weights are made at
    the first use, and again when the weights have changed.

    Args:
        layer: one that `suits`; elsewhere than in inference mode on a CPU, and where there is little to do, it does the
            work itself.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        self._layer = layer
        self._weights = Derived(transform)

    def __call__(self, features: Tensor) -> Tensor:
        """[B, C, H, W] to [B, D, H', W']."""
        layer = self._layer
        padding, dilation = int(layer.padding[0]), layer.dilation[0]
        height, width = (side + 2 * (padding - dilation) for side in features.shape[-2:])
        work = features.shape[0] * height * width * layer.weight.numel()
        if min(height, width) <= 0 or work < LEAST_WORK or not may_replace(features):
            return nn.Conv2d.forward(layer, features)
        return convolve(features, self._weights.of(layer.weight), layer.bias, padding, dilation)


class Derived:
    """What is computed from a weight, kept until the weight changes.

    Args:
        make: computes it.
    """

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        self._make = make
        self._kept: Tensor | None = None
        self._weight: Tensor | None = None
        self._version = -1

    def of(self, weight: Tensor) -> Tensor:
        """The same tensor as long as the weight is the same and holds the same."""
        version = -1 if weight.is_inference() else weight._version
        if self._kept is None or self._weight is not weight or self._version != version:
            self._kept, self._weight, self._version = self._make(weight.detach()), weight, version
        return self._kept


def may_replace(features: Tensor) -> bool:
    """Whether a faster way may do a layer's work on these features."""
    return torch.is_inference_mode_enabled() and features.device.type == "cpu" and features.dtype == torch.float32


def transform(weight: Tensor) -> Tensor:
    """Weights [D, C, 3, 3] of a convolution to those of the 36 products, [36, C, D]."""
    kernel = torch.tensor(_KERNEL)
    rows = torch.einsum("ai,dcij->ajcd", kernel, weight)
    return torch.einsum("bj,ajcd->abcd", kernel, rows).reshape(WINDOW**2, weight.shape[1], weight.shape[0])


def convolve(features: Tensor, weights: Tensor, bias: Tensor | None, padding: int, dilation: int) -> Tensor:
    """A 3x3 convolution of stride 1, channels_last.

    A dilated one is `dilation` squared ones without dilation, each on pixels that are so far apart.

    Args:
        features: [B, C, H, W].
        weights: from `transform`.
        bias: [D].
        padding: zeros at each side.
        dilation: of the kernel.
    """
    batch, channels, height, width = features.shape
    filters = weights.shape[-1]
    rows, columns = height + 2 * (padding - dilation), width + 2 * (padding - dilation)
    step = TILE * dilation  # pixels in and out that a tile, with those between its own, goes on by
    down, across = -(-rows // step), -(-columns // step)
    # images lie below each other, with one row of tiles more for each, so that all rows of tiles are equally far apart
    apart = down if batch == 1 else down + 1
    total = batch * apart
    wide = across * step + 2 * dilation
    padded = features.new_zeros(total * step + 2 * dilation, wide, channels)
    inside = padded[None] if batch == 1 else padded[: total * step].view(batch, apart * step, wide, channels)
    inside[:, padding : padding + height, padding : padding + width] = features.permute(0, 2, 3, 1)
    result = features.new_empty(total, TILE, dilation, across, TILE, dilation, filters)
    blocks = -(-total * dilation**2 * across * max(channels, filters) * WINDOW**2 // BLOCK)
    at_once = -(-total // blocks)
    for first in range(0, total, at_once):
        some = result[first : first + at_once]
        _convolve_tiles(padded[first * step :], weights, some, dilation)
        if bias is not None:
            some.add_(bias)
    whole = result.view(batch, apart * step, across * step, filters)[:, :rows, :columns]
    return whole.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _convolve_tiles(padded: Tensor, weights: Tensor, result: Tensor, dilation: int) -> None:
    """Some rows of tiles, from padded pixels [H, W, C] that begin with the first of them.

    The result is [rows, 4, dilation, columns, 4, dilation, D].
    """
    rows, columns = result.shape[0], result.shape[3]
    line, channels = padded[0].numel(), padded.shape[-1]
    lines = padded.as_strided(
        (WINDOW, rows, dilation, line),
        (dilation * line, TILE * dilation * line, line, 1),
        padded.storage_offset(),
    )
    vertical = lines.new_empty(lines.shape)
    _inputs(lines.unbind(), vertical.unbind())
    pixels = vertical.as_strided(
        (WINDOW, WINDOW, rows * dilation, columns, dilation, channels),
        (dilation * channels, vertical.stride(0), line, TILE * dilation * channels, channels, 1),
    )
    both = pixels.new_empty(pixels.shape)
    _inputs(pixels.unbind(), both.unbind(1))
    products = torch.bmm(both.view(WINDOW**2, -1, channels), weights)
    products = products.view(WINDOW, WINDOW, rows, dilation, columns, dilation, -1)
    half = products.new_empty(TILE, *products.shape[1:])
    _outputs(products.unbind(), half.unbind())
    _outputs(half.unbind(1), result.permute(4, 1, 0, 2, 3, 5, 6).unbind())


def _inputs(window: Sequence[Tensor], into: Sequence[Tensor]) -> None:
    """B of the paper along one side: from six neighbours to six sums."""
    d0, d1, d2, d3, d4, d5 = window
    one, other = torch.sub(d4, d2, alpha=4), torch.sub(d3, d1, alpha=4)
    torch.add(one, other, out=into[1])
    torch.sub(one, other, out=into[2])
    torch.sub(d4, d2, out=one)
    torch.sub(d3, d1, out=other)
    torch.add(one, other, alpha=2, out=into[3])
    torch.sub(one, other, alpha=2, out=into[4])
    torch.sub(d0, d2, out=into[0])
    torch.add(one, into[0], alpha=4, out=into[0])
    torch.sub(d5, d3, out=into[5])
    torch.sub(into[5], other, alpha=4, out=into[5])


def _outputs(products: Sequence[Tensor], into: Sequence[Tensor]) -> None:
    """A of the paper along one side: from six products to four outputs."""
    m0, m1, m2, m3, m4, m5 = products
    one, other = torch.add(m1, m2), torch.add(m3, m4)
    torch.add(one, other, alpha=4, out=into[2])
    torch.add(one, other, out=into[0])
    into[0].add_(m0)
    torch.sub(m1, m2, out=one)
    torch.sub(m3, m4, out=other)
    torch.add(one, other, alpha=2, out=into[1])
    torch.add(one, other, alpha=8, out=into[3])
    into[3].add_(m5)
