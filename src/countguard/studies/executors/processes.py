"""Runs the cells of a study in several processes of one machine."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path

import torch

from countguard.errors import RunError
from countguard.studies.cell_run import run_cell
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.executors.base import Executor
from countguard.studies.progress import StudyProgress


def run_in_processes(workers: int) -> Executor:
    """An executor with a number of processes, which share the machine's GPU if cells use one.

    Each process has its part of the cores, or as many threads as `machine.threads` says, and its own copy of the
    crowds.
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
        threads = cells[0].recipe.machine.threads or max(1, (os.cpu_count() or 1) // workers)
        waiting, running = list(cells), dict[Future[None], Cell]()
        pool = ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=prepare_worker, initargs=(threads,)
        )
        try:
            while waiting or running:
                missing = {cell.name for cell in [*waiting, *running.values()]}
                ready = [cell for cell in waiting if missing.isdisjoint(cell.needs)]
                for cell in ready[: workers - len(running)]:
                    waiting.remove(cell)
                    running[pool.submit(_run_one, cell, study)] = cell
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for task in done:
                    cell = running.pop(task)
                    task.result()
                    progress.finished(cell)
                    finished(cell)
        except BrokenProcessPool as error:
            raise RunError(
                "a process that ran a cell was killed (of memory, perhaps: fewer processes need less); finished cells "
                "are kept, and the same command goes on"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return run


@cache
def _crowds() -> CrowdCache:
    """A process's crowds, read once for all cells that it runs."""
    return CrowdCache()


def prepare_worker(threads: int) -> None:
    """Gives a process its part of the cores, and ends it with its parent."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends a process with its parent, so that cells of a killed run do not continue beside those of the next run."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run_one(cell: Cell, study: Path) -> None:
    run_cell(cell, study, _crowds())
