"""Where trainings run, and where counters count."""

import torch

from countguard.errors import RunError
from countguard.studies.recipe import MachineSettings
from countguard.training.fit import Machine


def machine_for(settings: MachineSettings) -> Machine:
    """The machine that a training gets.

    Raises:
        RunError: the machine does not have the accelerator that the recipe names, or not as many of them.
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
    """The device on which trained counters count."""
    if settings.accelerator == "cpu":
        return torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def name_of(device: torch.device) -> str:
    """What a card says of a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"
