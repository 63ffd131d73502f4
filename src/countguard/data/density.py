"""Head points to density maps, exactly, at the counter's own stride."""

from collections.abc import Sequence

from torch import Tensor

from countguard.data.kernels import Fixed, Kernel


def density_map(points: Tensor, height: int, width: int, *, stride: int = 8, kernel: Kernel = Fixed(15.0)) -> Tensor:
    """People per cell for one image: float32 [1, ceil(H/stride), ceil(W/stride)], on the points' device."""
    return density_maps([points], height, width, stride=stride, kernels=kernel)[0]


def density_maps(
    points: Sequence[Tensor],
    height: int,
    width: int,
    *,
    stride: int = 8,
    kernels: Kernel | Sequence[Kernel] = Fixed(15.0),
) -> Tensor:
    """The batched form: float32 [B, 1, ceil(H/stride), ceil(W/stride)]."""
    raise NotImplementedError
