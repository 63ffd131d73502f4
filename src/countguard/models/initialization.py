"""Random weights of layers without public ones, drawn from torch's generator: fork and seed it around a build.

Layers on the device "meta" have shapes alone. Nothing is drawn for them: torch would import its whole compiler for
that, which takes longer than to count a picture.
"""

from collections.abc import Iterator

from torch import nn


def init_normal(module: nn.Module) -> None:
    """Draws every convolution of `module` from N(0, 0.01) with bias 0, as CSRNet's authors do."""
    for layer in _convolutions(module):
        nn.init.normal_(layer.weight, std=0.01)
        _fill_bias(layer, 0.0)


def init_kaiming(module: nn.Module) -> None:
    """Draws every convolution of `module` for the ReLU after it (He et al., ICCV 2015), with bias 0."""
    for layer in _convolutions(module):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        _fill_bias(layer, 0.0)


def init_projection(projection: nn.Conv2d) -> None:
    """Draws a convolution that changes the width by its outputs (fan-out), bias 0, as CLIP-EBC's public code does."""
    for layer in _convolutions(projection):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        _fill_bias(layer, 0.0)


def init_head(head: nn.Conv2d, *, std: float, bias: float) -> None:
    """Draws a last convolution from N(0, std), with a given bias."""
    for layer in _convolutions(head):
        nn.init.normal_(layer.weight, std=std)
        _fill_bias(layer, bias)


def _convolutions(module: nn.Module) -> Iterator[nn.Conv2d]:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
            yield layer


def _fill_bias(layer: nn.Conv2d, value: float) -> None:
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)
