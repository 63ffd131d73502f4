"""Where the cells of a study run."""

from collections.abc import Callable, Sequence
from pathlib import Path

from countguard.errors import InputError
from countguard.studies.cell_run import run_cell
from countguard.studies.cells import Cell
from countguard.studies.progress import StudyProgress
from countguard.studies.workbench import Workbench

Executor = Callable[[Sequence[Cell], Path, StudyProgress, Callable[[Cell], None]], None]
"""Runs cells, each after those that it needs, and calls back as each is finished."""


def run_locally(cells: Sequence[Cell], study: Path, progress: StudyProgress, finished: Callable[[Cell], None]) -> None:
    """One cell after the other, in this process."""
    bench = Workbench()
    for cell in cells:
        with progress.cell(cell) as report:
            run_cell(cell, study, bench, report)
        finished(cell)


def executor_for(name: str) -> Executor:
    """The executor of a name: `local`.

    Raises:
        InputError: there is none.
    """
    if name == "local":
        return run_locally
    raise InputError(f"--executor {name}: is unknown; there is local")
