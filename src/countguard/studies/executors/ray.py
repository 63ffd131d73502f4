"""Runs the cells of a study on a Ray cluster (extra `ray`): one device for each cell, retried if a worker dies."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from countguard.errors import InputError, RunError
from countguard.studies.cell_run import run_cell, train_cell
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.executors.base import Executor
from countguard.studies.executors.order import Task
from countguard.studies.progress import StudyProgress

RETRIES = 3
"""How often a cell is run again after its worker died. It continues from its last resume point."""


def run_on_ray(address: str | None) -> Executor:
    """An executor on the cluster at `address`, or on Ray started on this machine.

    The run's folder must be on a file system that every node sees under the same path, because cells pass their
    counters and cards to each other through it, as on one machine. Results are therefore the same.

    Raises:
        InputError: Ray is not installed.
    """
    ray = imported_ray()

    def run(
        cells: Sequence[Cell],
        study: Path,
        crowds: CrowdCache,
        progress: StudyProgress,
        finished: Callable[[Cell], None],
    ) -> None:
        with connected(ray, address):
            _run_all(ray, cells, study.resolve(), progress, finished)

    return run


def imported_ray() -> Any:
    """The module.

    Raises:
        InputError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray: Ray is not installed; pip install 'countguard[ray]'") from None
    return ray


@contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """Connected to the cluster at `address`, or to Ray started on this machine; left as it was found."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started_here = not ray.is_initialized()
    if started_here:
        # without an address Ray joins whatever cluster runs here, and waits for minutes if that is just ending
        ray.init(address=address or "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        if started_here:
            ray.shutdown()


def _run_all(
    ray: Any, cells: Sequence[Cell], study: Path, progress: StudyProgress, finished: Callable[[Cell], None]
) -> None:
    remote = ray.remote(_run_one)
    trainings: dict[str, Any] = {}
    wholes: dict[str, Any] = {}
    running: dict[Any, Task] = {}
    for cell in cells:
        options = remote.options(max_retries=RETRIES, retry_exceptions=False, **_resources(cell))

        def begin(task: Task, needed: list[Any], options: Any = options) -> Any:
            begun = options.remote(task, str(study), *needed)
            running[begun] = task
            return begun

        needed = [wholes[name] for name in cell.needs if name in wholes]
        if cell.needs_to_train != cell.needs:
            first = [trainings[name] for name in cell.needs_to_train if name in trainings]
            trainings[cell.name] = begin(Task(cell, whole=False), first)
            needed.append(trainings[cell.name])
        wholes[cell.name] = begin(Task(cell, whole=True), needed)
        trainings.setdefault(cell.name, wholes[cell.name])
    while running:
        (begun,), _ = ray.wait(list(running), num_returns=1)
        task = running.pop(begun)
        _require_success(ray, begun, task.cell)
        if task.whole:
            progress.finished(task.cell)
            finished(task.cell)
        else:
            progress.trained(task.cell)


def _require_success(ray: Any, begun: Any, cell: Cell) -> None:
    try:
        ray.get(begun)
    except ray.exceptions.RayTaskError as error:
        cause: BaseException = error
        while isinstance(cause, ray.exceptions.RayTaskError):  # a task that needs a failed one fails of that
            cause = cause.cause
        if isinstance(cause, InputError | RunError):
            raise cause from None
        raise
    except ray.exceptions.RayError as error:
        raise RunError(f"{cell.name}: its worker was lost {RETRIES + 1} times ({type(error).__name__})") from error


def _run_one(task: Task, study: str, *needed: None) -> None:
    """Runs a cell in a worker. `needed` are the results of other tasks, for which Ray waits."""
    threads = task.cell.recipe.machine.threads
    if threads is not None:
        torch.set_num_threads(threads)
    run = run_cell if task.whole else train_cell
    run(task.cell, Path(study), CrowdCache())


def _resources(cell: Cell) -> dict[str, float]:
    machine = cell.recipe.machine
    gpus = machine.devices if machine.accelerator in ("gpu", "cuda") else 0
    if machine.accelerator == "auto" and torch.cuda.is_available():
        gpus = machine.devices
    return {"num_gpus": gpus, "num_cpus": 0 if gpus else (machine.threads or 1)}
