"""A convolution and its ReLU in one operation are what they are in two, gradients included."""

import pytest
import torch
from torch import Tensor, nn

from countguard.models.fused import convolution_relu, fused_in_turn, in_turn


def layers(dilation: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=dilation, dilation=dilation),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, padding=dilation, dilation=dilation),
        nn.ReLU(),
    )


def images() -> Tensor:
    drawn = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(1))
    return drawn.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dilation", [1, 2])
def test_fused_layers_give_the_same_result_and_gradients(dilation: int) -> None:
    plain, fused = layers(dilation), layers(dilation)
    expected, given = plain(images()), fused_in_turn(fused, images(), torch.float32)
    torch.testing.assert_close(given, expected)
    assert given.is_contiguous(memory_format=torch.channels_last)
    for output in (expected, given):
        output.square().sum().backward()
    for one, other in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_the_operation_is_described_as_it_behaves() -> None:
    weight, bias = torch.randn(4, 3, 3, 3, requires_grad=True), torch.randn(4, requires_grad=True)
    torch.library.opcheck(convolution_relu, (images().requires_grad_(), weight, bias, 2, 2))


def test_outside_of_compiled_code_layers_can_be_hooked_onto() -> None:
    network = layers()
    seen: list[Tensor] = []
    network[-1].register_forward_hook(lambda layer, inputs, output: seen.append(output))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        in_turn(network, images())
    assert len(seen) == 1
