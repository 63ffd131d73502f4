"""One counter trained by two processes together (DDP) equals the one that a single process trains."""

import pytest
import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.data.synthetic import Synthetic
from countguard.models import build_counter
from countguard.training.fit import Machine, fit
from countguard.training.settings import Training


@pytest.mark.parametrize("average", [None, 0.5])
def test_two_processes_train_what_one_trains(average: float | None) -> None:
    crowds = list(Synthetic(train=10, height=48, width=64, heads=(4, 40)).crowds("train"))
    # MCNN has no batch norm, whose statistics each process would take from its own share of a batch
    training = Training(lr=1e-5, epochs=1, batch_size=4, average=average)
    one, two = (trained(crowds, training, devices) for devices in (1, 2))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def trained(crowds: list[Crowd], training: Training, devices: int, kind: str = "mcnn") -> Tensor:
    torch.manual_seed(0)
    counter = build_counter(kind, mean=(0.5,) * 3, std=(0.25,) * 3)
    history = fit(counter, crowds, training, seed=0, machine=Machine("cpu", devices=devices))
    assert len(history.rows) == training.epochs
    return torch.cat([parameter.detach().flatten() for parameter in counter.parameters()])


def test_two_processes_train_behind_a_frozen_part_what_one_trains() -> None:
    crowds = list(Synthetic(train=6, height=32, width=48, heads=(4, 40)).crowds("train"))
    training = Training(lr=1e-4, epochs=2, batch_size=4, freeze="features")  # all of the batch norm is in it
    one, two = (trained(crowds, training, devices, "lite") for devices in (1, 2))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)
