"""Residual blocks between a trunk and its logits."""

from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Adds a branch to its input, then applies a ReLU."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] to the same shape."""
        return functional.relu(features + self.branch(features))


def bottleneck(width: int) -> Residual:
    """1x1, 3x3 and 1x1 convolutions with batch norm, all of one width, around an identity skip."""
    return Residual(
        nn.Sequential(
            *_convolution(width, 1),
            nn.ReLU(inplace=True),
            *_convolution(width, 3),
            nn.ReLU(inplace=True),
            *_convolution(width, 1),
        )
    )


def basic_block(width: int) -> Residual:
    """Two 3x3 convolutions with batch norm around an identity skip."""
    return Residual(nn.Sequential(*_convolution(width, 3), nn.ReLU(inplace=True), *_convolution(width, 3)))


def _convolution(width: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(width)
