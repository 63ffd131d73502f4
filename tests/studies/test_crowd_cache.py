"""What the cells of a process share, and what is trained on."""

from typing import Any

import pytest
import torch

from countguard.data.loading import Resident
from countguard.data.source import CrowdSplit
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError, RunError
from countguard.studies.crowd_cache import CrowdCache, training_and_validation
from countguard.studies.machine import evaluation_device, machine_for
from countguard.studies.recipe import MachineSettings
from countguard.training.settings import Training
from tiny_crowds import tiny_crowd

SPLIT = CrowdSplit([tiny_crowd(f"train-{k}") for k in range(5)], [tiny_crowd(f"test-{k}") for k in range(2)])


def test_crowds_are_read_once_while_their_source_stays() -> None:
    cache, source = CrowdCache(), Synthetic(train=2, test=1, height=32, width=32, heads=(1, 4))
    first = cache.split(source)
    assert cache.split(source.model_copy()).training[0] is first.training[0]
    other = cache.split(source.model_copy(update={"seed": 1}))
    assert not torch.equal(other.training[0].image, first.training[0].image)


def test_weights_are_selected_on_images_that_are_not_trained_on() -> None:
    crowds, validation = training_and_validation(SPLIT, Training(select="best_validation", validation_images=2))
    assert validation is not None
    assert [crowd.id for crowd in [*validation, *crowds]] == [crowd.id for crowd in SPLIT.training]
    assert len(validation) == 2


def test_a_selection_reads_no_picture_before_the_training_does(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = Resident.__getitem__

    def noted(crowds: Resident, index: Any) -> Any:
        if isinstance(index, int):
            read.append(index)
        return whole(crowds, index)

    monkeypatch.setattr(Resident, "__getitem__", noted)
    split = CrowdSplit(Resident(SPLIT.training), Resident(SPLIT.test))
    crowds, validation = training_and_validation(split, Training(select="best_validation", validation_images=2))
    assert validation is not None
    assert (len(crowds), len(validation), read) == (3, 2, [])
    assert (crowds[0].id, validation[1].id, read) == ("train-2", "train-1", [2, 1])


def test_the_published_selection_looks_at_the_test_images_and_says_so() -> None:
    crowds, validation = training_and_validation(SPLIT, Training(select="best_test_as_published"))
    assert (crowds, validation) == (SPLIT.training, SPLIT.test)
    assert training_and_validation(SPLIT, Training()) == (SPLIT.training, None)


@pytest.mark.parametrize("images", [5, 6])
def test_something_must_be_left_to_train_on(images: int) -> None:
    with pytest.raises(InputError, match=rf"training\.validation_images: {images} leave none to train on of the 5"):
        training_and_validation(SPLIT, Training(select="best_validation", validation_images=images))


def test_the_machine_is_the_recipes() -> None:
    machine = machine_for(MachineSettings(accelerator="cpu", devices=2, deterministic=False, resume_seconds=3))
    assert (machine.accelerator, machine.devices, machine.deterministic, machine.resume_seconds) == ("cpu", 2, False, 3)
    assert evaluation_device(MachineSettings(accelerator="cpu")) == torch.device("cpu")


def test_devices_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert machine_for(MachineSettings(devices=2)).devices == 2
    assert machine_for(MachineSettings(accelerator="cpu", devices=3)).devices == 3
    for accelerator in ("auto", "gpu", "cuda"):
        with pytest.raises(RunError, match=r"machine\.devices: 3 are asked for, 2 are there"):
            machine_for(MachineSettings.model_validate({"accelerator": accelerator, "devices": 3}))
