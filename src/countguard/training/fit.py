"""Trains a counter on crowds, from the start or from where it was interrupted."""

import json
import logging
import math
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from pickle import UnpicklingError
from typing import Required, TypedDict
from zipfile import is_zipfile

import torch
from lightning import Callback, Trainer

from countguard.compilers import can_compile_for_gpu
from countguard.data.crowd import Crowd
from countguard.data.loading import EpochBatches
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.counting import keep_freed_memory
from countguard.signals import tidy_when_terminated
from countguard.training.callbacks import (
    AveragedWeights,
    BestWeights,
    Divergence,
    EpochReport,
    History,
    Isolating,
    ResumePoint,
)
from countguard.training.compiling import PAYS, Size, compiled
from countguard.training.faults import IntoItsFolder, faults_explained
from countguard.training.freezing import Frozen, frozen
from countguard.training.module import CounterModule, CrowdData
from countguard.training.settings import Training

_log = logging.getLogger(__name__)

ModuleFactory = Callable[[Counter, Training, int, int], CounterModule]
"""Makes the module that is trained from a counter, its settings, the steps in an epoch, and the seed."""

LESS_MEMORY = (
    "a smaller training.batch_size, training.augmentation.crop or data.scale would help, or training.precision: "
    "bf16-mixed, or machine.compile: false"
)
"""Which settings need less of a device's memory."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a training runs; nothing here changes the result, apart from rounding.

    Attributes:
        accelerator: as Lightning names it: "auto", "cpu", "gpu".
        devices: how many train together, by DDP.
        deterministic: only algorithms that give the same result twice.
        resume_seconds: least time between two saved resume points.
        compile: whether the network is compiled on a GPU, for those batch sizes for which it saves time.
    """

    accelerator: str = "auto"
    devices: int = 1
    deterministic: bool = True
    resume_seconds: float = 20.0
    compile: bool = True


class Conditions(TypedDict, total=False):
    """The keyword arguments of `fit` about the conditions of a training, for functions that pass them on."""

    seed: Required[int]
    folder: Path | None
    validation: Sequence[Crowd] | None
    machine: Machine
    report: EpochReport | None
    seconds: float | None


def fit(
    counter: Counter,
    crowds: Sequence[Crowd],
    training: Training,
    *,
    seed: int,
    folder: Path | None = None,
    validation: Sequence[Crowd] | None = None,
    machine: Machine = Machine(),
    report: EpochReport | None = None,
    seconds: float | None = None,
    module: ModuleFactory = CounterModule,
) -> History:
    """Trains the counter in place; returns the history of its epochs.

    Args:
        counter: in any mode; left in evaluation mode, on the CPU.
        crowds: training crowds; each is read once and kept in memory as uint8.
        training: every setting.
        seed: of order, augmentation and layers.
        folder: holds `resume.ckpt` while the training runs; if a complete one is there, the training continues from it.
            With None nothing is saved.
        validation: crowds on which weights are selected; needed unless `training.select` is "last".
        machine: where it runs.
        report: is called after each epoch; never with several devices, since other processes train then.
        seconds: ends the training after so long, with whatever it has reached; those before a resume count. None lets
            it end by itself.
        module: what is done in a step: the counter's own loss by default, or a repair's.

    Raises:
        InputError: there is nothing to train on, no crowds to select on, or code in the resume point; or the training
            ends before it isolates, and is to be saved.
        RunError: the training diverged, memory ran out, the device was lost, or no resume point could be saved.
    """
    if not len(crowds):
        raise InputError("training: there is no crowd to train on")
    if training.select != "last" and not validation:
        raise InputError(f"training.select: {training.select} needs crowds to select on")
    batches = EpochBatches(crowds, training.batch_size, training.augmentation, seed=seed)
    counter.train()  # after a training it is in evaluation mode, and Lightning leaves modes as they are
    trained = module(counter.to(memory_format=torch.channels_last), training, len(batches), seed)
    if folder is not None:  # of the few steps by which a training is timed nothing is saved, and they isolate nothing
        _require_isolated(training, trained.epochs)
    if training.freeze is not None:
        trained.frozen = Frozen(counter, training.freeze)
        trained.keeps_features = _keeps_features(trained, training)
    keep_freed_memory()
    resume = folder / "resume.ckpt" if folder is not None else None
    with (
        _handover(machine.devices) as handover,
        _quiet(),
        _algorithms_as_they_were(),
        torch.random.fork_rng(),
        frozen(trained.frozen),
        compiled(counter, _met_often(batches, trained, machine)),
    ):
        history = History(report if handover is None else None, handover)
        trainer = Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            strategy="auto" if handover is None else "ddp_spawn",
            precision=training.precision,
            max_time=None if seconds is None else timedelta(seconds=seconds),
            max_epochs=math.ceil(trained.epochs),  # not max_steps, with which Lightning resumes one epoch short
            gradient_clip_val=training.clip_gradient,
            deterministic=machine.deterministic,
            benchmark=not machine.deterministic,  # each convolution tried in all ways; the quickest need not repeat
            reload_dataloaders_every_n_epochs=1,
            callbacks=_callbacks(history, training, crowds, validation or (), resume, machine),
            plugins=[IntoItsFolder()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        _warn_of_emulation(training, trainer.strategy.root_device)
        # torch.save writes the end of a zip file last: without one, the resume point is not whole
        checkpoint = resume if resume is not None and is_zipfile(resume) else None
        with (
            _interrupts_as_python_has_them(),
            faults_explained("training", LESS_MEMORY),
            _resume_point_refused(checkpoint),
            _single_values_refused(),
        ):
            trainer.fit(trained, datamodule=CrowdData(batches, training.steps), ckpt_path=checkpoint, weights_only=True)
        if handover is not None:
            history.rows = json.loads(handover.read_text())
    counter.cpu().eval()
    return history


def _warn_of_emulation(training: Training, device: torch.device) -> None:
    """A convolution in bf16 takes 50 times longer than in single precision where the processor has no AVX-512."""
    # other processors report other names, and what they do in half precision was not measured
    if device.type == "cpu" and training.precision != "32-true" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        _log.warning(
            "training.precision: this processor emulates %s, which takes many times longer than 32-true",
            training.precision,
        )


def _require_isolated(training: Training, epochs: float) -> None:
    """Refuses a training that ends before it takes images out."""
    if training.isolate is not None and training.isolate.after >= epochs:
        raise InputError(
            f"training.isolate.after: {training.isolate.after} epochs; should be less than the {epochs:.3g} epochs of "
            f"the {training.steps} steps of the training"
        )


def _callbacks(
    history: History,
    training: Training,
    crowds: Sequence[Crowd],
    validation: Sequence[Crowd],
    resume: Path | None,
    machine: Machine,
) -> list[Callback]:
    """The callbacks in order: one that another uses or saves comes before it."""
    callbacks: list[Callback] = [Divergence(), history]
    if training.isolate is not None:
        record = resume.with_name("isolated.json") if resume is not None else None
        callbacks.append(Isolating(training.isolate, crowds, record))
    averaging = AveragedWeights(training.average) if training.average is not None else None
    if averaging is not None:
        callbacks.append(averaging)
    if training.select != "last":
        callbacks.append(BestWeights(validation, training.select_every, averaging, first=training.select_from))
    if resume is not None:
        callbacks.append(ResumePoint(resume, machine.resume_seconds))
    return callbacks


def _keeps_features(module: CounterModule, training: Training) -> bool:
    """Whether the output of the frozen part for an image is always the same; otherwise logs why it is recomputed."""
    assert module.frozen is not None
    if not module.frozen.parts:
        reason = f"{module.counter.kind} does not part into steps"
    elif not module.compiles:
        reason = "this repair looks into the frozen layers"
    elif not training.augmentation.only_mirrors:
        reason = "training.augmentation does more than mirror"
    else:
        return True
    _log.warning("training.freeze: %s, so the frozen part runs in every step", reason)
    return False


def _met_often(batches: EpochBatches, module: CounterModule, machine: Machine) -> set[Size]:
    """The batch sizes for which the network is compiled; empty if it is not compiled."""
    on_gpu = machine.accelerator in ("auto", "gpu", "cuda") and machine.devices == 1 and can_compile_for_gpu()
    if not (machine.compile and module.compiles and on_gpu) or module.keeps_features:
        return set()
    return {size for size, times in batches.sizes().items() if times * module.epochs >= PAYS}


@contextmanager
def _handover(devices: int) -> Iterator[Path | None]:
    """The file in which training processes leave their history: they share only files with this process."""
    if devices == 1:
        yield None
        return
    with tidy_when_terminated(), tempfile.TemporaryDirectory(prefix="countguard-") as folder:
        yield Path(folder) / "history.json"


@contextmanager
def _algorithms_as_they_were() -> Iterator[None]:
    """Restores torch's deterministic setting, which Lightning's `deterministic` changes for the whole process."""
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    # filling every new tensor with NaN finds bugs of kernels, and costs the bandwidth of writing it twice
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


@contextmanager
def _interrupts_as_python_has_them() -> Iterator[None]:
    """Restores Python's handling of Ctrl-C; Lightning's ends with exit code 1 and may ignore a second Ctrl-C."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error


@contextmanager
def _resume_point_refused(path: Path | None) -> Iterator[None]:
    try:
        yield
    except UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than weights and numbers, as no training of ours saves it; delete it, and the "
            "training starts anew"
        ) from error


@contextmanager
def _single_values_refused() -> Iterator[None]:
    """Batch normalisation divides by a deviation, which one value does not have: a small picture alone in its batch."""
    try:
        yield
    except Exception as error:  # torch's ValueError, or what Lightning makes of it in another process
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "training.batch_size: a batch of one picture this small leaves batch normalisation a single value; larger "
            "batches or pictures would help, and a number of images that leaves no batch of one"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's hints (number of workers, tips, devices found) off the terminal; errors are still shown."""
    loggers = ["lightning.pytorch", "lightning.fabric"]
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
