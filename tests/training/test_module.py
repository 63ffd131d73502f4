"""What a step is, and that several processes take the same step as one."""

import torch

from countguard.data.augment import Augmentation
from countguard.data.loading import EpochBatches
from countguard.models import build_counter
from countguard.training.module import CounterModule
from countguard.training.settings import Training
from tiny_crowds import tiny_crowd


def test_the_shares_of_two_processes_add_up_to_the_gradient_of_the_whole_batch() -> None:
    crowds = [tiny_crowd(f"crowd-{index}", heads=index, seed=index) for index in range(5)]
    counter = build_counter("lite").eval()

    def gradient(rank: int, world: int) -> torch.Tensor:
        batches = EpochBatches(crowds, 3, Augmentation(), seed=0, rank=rank, world=world)
        module = CounterModule(counter, Training(), len(batches), seed=0)
        counter.zero_grad()
        for index, batch in enumerate(batches.epoch(0)):
            torch.autograd.backward(module.training_step(batch, index))
        return torch.cat([value.grad.flatten() for value in counter.parameters() if value.grad is not None])

    for world in (2, 4):  # 5 crowds in steps of 3 and 2: with four processes, some get none
        averaged = torch.stack([gradient(rank, world) for rank in range(world)]).mean(dim=0)
        torch.testing.assert_close(averaged, gradient(0, 1), rtol=1e-4, atol=1e-6)


def test_frozen_parameters_are_not_optimised() -> None:
    counter = build_counter("lite")
    counter.get_parameter("head.bias").requires_grad_(False)
    optimizer = CounterModule(counter, Training(), 1, seed=0).configure_optimizers()["optimizer"]
    optimised = {id(value) for group in optimizer.param_groups for value in group["params"]}
    assert optimised == {id(value) for value in counter.parameters()} - {id(counter.get_parameter("head.bias"))}


def test_balance_weights_an_image_by_its_heads() -> None:
    counter = build_counter("lite").eval()
    (batch,) = EpochBatches([tiny_crowd("few", heads=25), tiny_crowd("none", heads=0)], 2, None, seed=0).epoch(0)
    balanced = CounterModule(counter, Training(balance=0.5), 1, seed=0).training_step(batch, 0)
    weights = torch.tensor([10.0 if len(points) == 0 else 2.0 for points in batch.points])
    torch.testing.assert_close(balanced, counter.loss(batch.images / 255, batch.points, weights=weights))
