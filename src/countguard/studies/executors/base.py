"""Where the cells of a study run."""

from collections.abc import Callable, Sequence
from pathlib import Path

from countguard.errors import InputError
from countguard.studies.cell_run import run_cell
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.progress import StudyProgress

Executor = Callable[[Sequence[Cell], Path, StudyProgress, Callable[[Cell], None]], None]
"""Runs cells, each after those that it needs, and calls back as each is finished."""


def run_locally(cells: Sequence[Cell], study: Path, progress: StudyProgress, finished: Callable[[Cell], None]) -> None:
    """One cell after the other, in this process."""
    bench = CrowdCache()
    for cell in cells:
        with progress.cell(cell) as report:
            run_cell(cell, study, bench, report)
        finished(cell)


def executor_for(name: str) -> Executor:
    """The executor of a name: `local`, `processes:4`, `ray` (a cluster of this machine's own), or a Ray's address.

    Raises:
        InputError: there is none.
    """
    if name == "local":
        return run_locally
    kind, _, rest = name.partition(":")
    if kind == "processes" and rest.isdecimal() and int(rest) > 0:
        from countguard.studies.executors.processes import run_in_processes

        return run_in_processes(int(rest))
    if name == "ray" or (rest and kind != "processes"):
        from countguard.studies.executors.ray import run_on_ray

        return run_on_ray(None if name == "ray" else name)
    raise InputError(
        f"--executor {name}: should be local, processes:4, ray, or a Ray cluster's address as ray://head:10001"
    )
