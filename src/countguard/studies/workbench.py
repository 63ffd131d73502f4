"""What the cells of a study share within one process: the crowds, read once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.source import CrowdSplit
from countguard.data.sources import AnySource
from countguard.errors import RunError
from countguard.studies.recipe import MachineSettings
from countguard.training.fit import Machine
from countguard.training.settings import Training


@dataclass
class Workbench:
    """Crowds that were read, kept for the cells to come; only those of the newest source, since memory is bounded."""

    _source: AnySource | None = None
    _split: CrowdSplit = field(default_factory=lambda: CrowdSplit([], []))

    def split(self, source: AnySource) -> CrowdSplit:
        """The training and test crowds of a source, each picture read at most once.

        Raises:
            InputError: see `Source.load`.
        """
        if self._source != source:
            split = source.load()
            self._split = CrowdSplit(Resident(split.training), Resident(split.test))
            self._source = source
        return self._split


def parted(split: CrowdSplit, training: Training) -> tuple[Sequence[Crowd], Sequence[Crowd] | None]:
    """What is trained on, and what weights are selected on (None where the last weights are kept)."""
    if training.select == "best_test_as_published":
        return split.training, split.test
    if training.select == "best_validation":
        return split.training[training.validation_images :], split.training[: training.validation_images]
    return split.training, None


def machine_for(settings: MachineSettings) -> Machine:
    """The machine that a training gets.

    Raises:
        RunError: the accelerator that the recipe names is not there.
    """
    if settings.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise RunError(f"machine.accelerator: {settings.accelerator} is not there; auto takes what there is")
    return Machine(settings.accelerator, settings.devices, settings.deterministic, settings.resume_seconds)


def evaluation_device(settings: MachineSettings) -> torch.device:
    """Where trained counters count."""
    if settings.accelerator == "cpu":
        return torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
