"""The interface of executors, which run the cells of a study."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from countguard.errors import InputError
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.progress import StudyProgress

Executor: TypeAlias = Callable[[Sequence[Cell], Path, CrowdCache, StudyProgress, Callable[[Cell], None]], None]
"""Runs cells in a run's folder, each after those that it needs, and calls a function after each finished cell.

It gets the crowds that this process has opened; an executor whose cells run in other processes ignores them.
"""


def executor_for(name: str) -> Executor:
    """The executor with a name: `local`, `processes:4`, `ray` (started on this machine), or the address of a cluster.

    Raises:
        InputError: the name is unknown.
    """
    kind, _, rest = name.partition(":")
    if name == "local":
        from countguard.studies.executors.local import run_locally

        return run_locally
    if kind == "processes" and rest.isdecimal() and int(rest) > 0:
        from countguard.studies.executors.processes import run_in_processes

        return run_in_processes(int(rest))
    if name == "ray" or (rest and kind != "processes"):
        from countguard.studies.executors.ray import run_on_ray

        return run_on_ray(None if name == "ray" else name)
    raise InputError(
        f"--executor {name}: should be local, processes:4, ray, or a Ray cluster's address as ray://head:10001"
    )
