"""The interface of executors, which run the cells of a study."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.executors.places import Cluster, Processes, place_of
from countguard.studies.progress import StudyProgress

Executor: TypeAlias = Callable[[Sequence[Cell], Path, CrowdCache, StudyProgress, Callable[[Cell], None]], None]
"""Runs cells in a run's folder, each after those that it needs, and calls a function after each finished cell.

It gets the crowds that this process has opened; an executor whose cells run in other processes ignores them.
"""


def executor_for(name: str) -> Executor:
    """The executor of cells with a name, see `place_of`.

    Raises:
        InputError: the name is unknown, or Ray is not installed.
    """
    place = place_of(name)
    if isinstance(place, Processes):
        from countguard.studies.executors.processes import run_in_processes

        return run_in_processes(place.workers)
    if isinstance(place, Cluster):
        from countguard.studies.executors.ray import run_on_ray

        return run_on_ray(place.address)
    from countguard.studies.executors.local import run_locally

    return run_locally
