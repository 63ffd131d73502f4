"""Runs the cells of a study one after the other, in this process."""

from collections.abc import Callable, Sequence
from pathlib import Path

from countguard.studies.cell_run import run_cell
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.progress import StudyProgress


def run_locally(
    cells: Sequence[Cell], study: Path, crowds: CrowdCache, progress: StudyProgress, finished: Callable[[Cell], None]
) -> None:
    """See `Executor`."""
    for cell in cells:
        with progress.cell(cell) as report:
            run_cell(cell, study, crowds, report)
        finished(cell)
