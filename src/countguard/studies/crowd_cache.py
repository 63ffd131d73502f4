"""What the cells of a study share within one process: the crowds, read once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.source import CrowdSplit, Source
from countguard.defenses.defense import Defense
from countguard.errors import InputError, RunError
from countguard.studies.recipe import MachineSettings
from countguard.training.fit import Machine
from countguard.training.settings import Training


@dataclass
class CrowdCache:
    """Crowds that were read, kept for the cells to come; only those of the newest source, since memory is bounded."""

    _source: Source | None = None
    _split: CrowdSplit = field(default_factory=lambda: CrowdSplit([], []))

    def split(self, source: Source) -> CrowdSplit:
        """The training and test crowds of a source, each picture read at most once.

        Raises:
            InputError: see `Source.load`.
        """
        if self._source != source:
            split = source.load()
            validation = None if split.validation is None else Resident(split.validation)
            self._split = CrowdSplit(Resident(split.training), Resident(split.test), validation)
            self._source = source
        return self._split


def training_and_validation(
    split: CrowdSplit, training: Training | Defense
) -> tuple[Sequence[Crowd], Sequence[Crowd] | None]:
    """What is trained on, and what weights are selected on (None where the last weights are kept).

    Raises:
        InputError: nothing would be left to train on.
    """
    if not isinstance(training, Training):  # a repair of its own kind: it selects no weights
        return split.training, None
    if training.select == "best_test_as_published":
        return split.training, split.test
    if training.select == "best_validation":
        if split.validation is not None:
            return split.training, split.validation
        if training.validation_images >= len(split.training):
            raise InputError(
                f"training.validation_images: {training.validation_images} leave none to train on of the "
                f"{len(split.training)} training images"
            )
        return split.training[training.validation_images :], split.training[: training.validation_images]
    return split.training, None


def machine_for(settings: MachineSettings) -> Machine:
    """The machine that a training gets.

    Raises:
        RunError: the accelerator that the recipe names is not there, or not as many of them.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = {"auto": True, "cpu": True, "gpu": cuda or mps, "cuda": cuda, "mps": mps}
    if not there[settings.accelerator]:
        raise RunError(f"machine.accelerator: {settings.accelerator} is not there; auto takes what there is")
    if cuda and settings.accelerator in ("auto", "gpu", "cuda") and settings.devices > torch.cuda.device_count():
        raise RunError(f"machine.devices: {settings.devices} are asked for, {torch.cuda.device_count()} are there")
    return Machine(
        settings.accelerator, settings.devices, settings.deterministic, settings.resume_seconds, settings.compile
    )


def evaluation_device(settings: MachineSettings) -> torch.device:
    """Where trained counters count."""
    if settings.accelerator == "cpu":
        return torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
