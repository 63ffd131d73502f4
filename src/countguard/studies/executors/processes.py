"""Runs the cells of a study in several processes of one machine."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import TypeAlias

from countguard.errors import RunError
from countguard.studies.cell_run import run_cell, train_cell
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.executors.base import Executor
from countguard.studies.executors.order import Order, Task
from countguard.studies.executors.workers import given_to_me, working
from countguard.studies.progress import StudyProgress

_LOOK = 0.5
"""Seconds between two looks at what the processes report."""
_Reports: TypeAlias = "SimpleQueue[tuple[str, int, float]]"
"""Names of cells, each with an epoch that has ended and its loss."""


def run_in_processes(workers: int) -> Executor:
    """An executor with a number of processes, which share the machine's GPU if cells use one.

    Each process has its part of the cores, or as many threads as `machine.threads` says, and its own copy of the
    crowds. A counter is trained while cells that only its measurement needs are not finished yet.
    """

    def run(
        cells: Sequence[Cell],
        study: Path,
        crowds: CrowdCache,
        progress: StudyProgress,
        finished: Callable[[Cell], None],
    ) -> None:
        if not cells:
            return
        order, running = Order(cells), dict[Future[None], Task]()
        by_name = {cell.name: cell for cell in cells}
        reports: _Reports = get_context("spawn").SimpleQueue()
        threads = cells[0].recipe.machine.threads
        try:
            with working(workers, threads=threads, given=reports) as submit:
                while True:
                    while len(running) < workers and (task := order.next()) is not None:
                        progress.started(task.cell)
                        running[submit(_run_one, task, study)] = task
                    if not running:
                        break
                    ended, _ = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                    while not reports.empty():
                        name, epoch, loss = reports.get()
                        progress.epoch(by_name[name], epoch, loss)
                    for future in ended:
                        task = running.pop(future)
                        future.result()
                        order.ended(task)
                        if task.whole:
                            progress.finished(task.cell)
                            finished(task.cell)
                        else:
                            progress.trained(task.cell)
        except BrokenProcessPool as error:
            raise RunError(
                "a process that ran a cell was killed (of memory, perhaps: fewer processes need less); finished cells "
                "are kept, and the same command goes on"
            ) from error

    return run


@cache
def _crowds() -> CrowdCache:
    """A process's crowds, read once for all cells that it runs."""
    return CrowdCache()


def _run_one(task: Task, study: Path) -> None:
    reports: _Reports = given_to_me()
    run = run_cell if task.whole else train_cell
    run(task.cell, study, _crowds(), lambda epoch, loss: reports.put((task.cell.name, epoch, loss)))
