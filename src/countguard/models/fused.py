"""A convolution and its ReLU as one kernel, for training on a GPU in half precision.

A compiler puts the bias and the ReLU into a separate kernel, which reads and writes the whole activation again. cuDNN
does both while the result is still on the chip.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def in_turn(layers: nn.Sequential, features: Tensor) -> Tensor:
    """The layers one after another, like `layers(features)`, fused where possible.

    It is possible in code that is compiled for CUDA under autocast, where layers have no hooks.
    """
    device = features.device.type
    if not (torch.compiler.is_compiling() and device == "cuda" and torch.is_autocast_enabled(device)):
        result: Tensor = layers(features)
        return result
    return fused_in_turn(layers, features, torch.get_autocast_dtype(device))


def fused_in_turn(layers: nn.Sequential, features: Tensor, dtype: torch.dtype) -> Tensor:
    """The layers one after another, each convolution with the ReLU behind it as one operation in `dtype`."""
    for layer, following in pairwise([*layers, nn.Identity()]):
        if isinstance(layer, nn.Conv2d) and isinstance(following, nn.ReLU):
            assert layer.bias is not None
            features = convolution_relu(
                features.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype), layer.padding[0], layer.dilation[0]
            )
        elif not isinstance(layer, nn.ReLU):
            features = layer(features)
    return features


@torch.library.custom_op("countguard::convolution_relu", mutates_args=())
def convolution_relu(features: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
    """max(0, convolution + bias) of stride 1: features [B, C, H, W] channels_last, weight [D, C, k, k], bias [D]."""
    sides = ([1, 1], [padding] * 2, [dilation] * 2)
    if features.is_cuda:
        result: Tensor = torch.ops.aten.cudnn_convolution_relu(features, weight, bias, *sides, 1)
    else:
        result = functional.conv2d(features, weight, bias, *sides).relu_()
    return result.contiguous(memory_format=torch.channels_last)


@convolution_relu.register_fake
def _shape(features: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
    lost = dilation * (weight.shape[-1] - 1) - 2 * padding
    shape = (features.shape[0], weight.shape[0], features.shape[2] - lost, features.shape[3] - lost)
    return torch.empty(shape, dtype=features.dtype, device=features.device, memory_format=torch.channels_last)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int, int], output: Tensor) -> None:
    features, weight, _, padding, dilation = inputs
    ctx.save_for_backward(features, weight, output)
    ctx.padding, ctx.dilation = padding, dilation


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
    features, weight, output = ctx.saved_tensors
    alive = torch.ops.aten.threshold_backward(gradient, output, 0)
    sides = ([1, 1], [ctx.padding] * 2, [ctx.dilation] * 2)
    wanted = list(ctx.needs_input_grad[:3])
    by_features, by_weight, by_bias = torch.ops.aten.convolution_backward(
        alive, features, weight, [weight.shape[0]], *sides, False, [0, 0], 1, wanted
    )
    return by_features, by_weight, by_bias, None, None


convolution_relu.register_autograd(_gradients, setup_context=_keep)
