"""Trains a counter on crowds, from the start or from where it was interrupted."""

import json
import logging
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

from countguard.data.crowd import Crowd
from countguard.data.loading import EpochBatches
from countguard.errors import InputError, RunError
from countguard.models.counter import Counter
from countguard.training.callbacks import BestWeights, EpochReport, History, ResumePoint
from countguard.training.module import CounterModule, CrowdData
from countguard.training.settings import Training

ModuleFactory = Callable[[Counter, Training, int, int], CounterModule]
"""Makes what is trained of a counter, its settings, the steps an epoch, and the seed."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a training runs; nothing here changes what is learned, beyond rounding.

    Attributes:
        accelerator: as Lightning names it: "auto", "cpu", "gpu".
        devices: how many train together, by DDP.
        deterministic: only algorithms that give the same result twice.
        resume_seconds: least time between two saved resume points.
    """

    accelerator: str = "auto"
    devices: int = 1
    deterministic: bool = True
    resume_seconds: float = 20.0


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
    module: ModuleFactory = CounterModule,
) -> History:
    """Trains the counter in place; returns the history of its epochs.

    Args:
        counter: in any mode; left in evaluation mode, on the CPU.
        crowds: training crowds; each is read once and kept in memory as uint8.
        training: every setting.
        seed: of order, augmentation and layers.
        folder: holds `resume.ckpt` while training runs; found there, it is taken up. None: nothing is saved.
        validation: on which weights are selected; needed where `training.select` is not "last".
        machine: where it runs.
        report: hears of each epoch.
        module: what is done in a step: the counter's own loss, or a defense's.

    Raises:
        InputError: there is nothing to train on, or no crowds to select on.
        RunError: the training diverged, or memory ran out.
    """
    if not len(crowds):
        raise InputError("training: there is no crowd to train on")
    batches = EpochBatches(crowds, training.batch_size, training.augmentation, seed=seed)
    handover = None
    if machine.devices > 1:  # the processes that train share nothing with this one but files
        handover = Path(tempfile.mkdtemp(prefix="countguard-")) / "history.json"
    history = History(report if handover is None else None, handover)
    callbacks: list[Callback] = [history]
    if training.average is not None:
        callbacks.append(EMAWeightAveraging(decay=training.average))
    if training.select != "last":
        if not validation:
            raise InputError(f"training.select: {training.select} needs crowds to select on")
        callbacks.append(BestWeights(validation, training.select_every))
    resume = None
    if folder is not None:
        resume = folder / "resume.ckpt"
        callbacks.append(ResumePoint(resume, machine.resume_seconds))
    trained = module(counter.to(memory_format=torch.channels_last), training, len(batches), seed)
    with _quiet(), _algorithms_as_they_were(), torch.random.fork_rng():
        trainer = Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            strategy="auto" if handover is None else "ddp_spawn",
            precision=training.precision,
            max_epochs=training.epochs if training.steps is None else -1,
            max_steps=-1 if training.steps is None else training.steps,
            gradient_clip_val=training.clip_gradient,
            deterministic=machine.deterministic,
            reload_dataloaders_every_n_epochs=1,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        checkpoint = resume if resume is not None and resume.exists() else None
        with _interrupts_as_python_has_them(), _out_of_memory_explained():
            trainer.fit(trained, datamodule=CrowdData(batches), ckpt_path=checkpoint, weights_only=True)
    if handover is not None:
        history.rows = json.loads(handover.read_text())
        shutil.rmtree(handover.parent)
    counter.cpu().eval()
    return history


@contextmanager
def _algorithms_as_they_were() -> Iterator[None]:
    """Lightning's `deterministic` sets torch's for the whole process; a training leaves it as it was."""
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextmanager
def _interrupts_as_python_has_them() -> Iterator[None]:
    """Lightning answers Ctrl-C with exit code 1 and ignores the next one; a study wants to end in its own way."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from error
        raise


@contextmanager
def _out_of_memory_explained() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunError(
            "the device ran out of memory while training; a smaller training.batch_size, training.augmentation.crop "
            "or data.scale would help, or training.precision: bf16-mixed"
        ) from error
    except MemoryError as error:
        raise RunError("memory ran out while training; fewer data.images or a smaller data.scale would help") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's hints (number of workers, tips, devices found) off the terminal; errors still come through."""
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
