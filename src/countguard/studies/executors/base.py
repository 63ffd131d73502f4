"""The interface of executors, which run the cells of a study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from countguard.errors import InputError
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.executors.workers import cores
from countguard.studies.progress import StudyProgress

Executor: TypeAlias = Callable[[Sequence[Cell], Path, CrowdCache, StudyProgress, Callable[[Cell], None]], None]
"""Runs cells in a run's folder, each after those that it needs, and calls a function after each finished cell.

It gets the crowds that this process has opened; an executor whose cells run in other processes ignores them.
"""


@dataclass(frozen=True, slots=True)
class Local:
    """This process."""


@dataclass(frozen=True, slots=True)
class Processes:
    """So many processes of this machine."""

    workers: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster by its address; None starts Ray on this machine."""

    address: str | None


Place: TypeAlias = Local | Processes | Cluster


def place_of(name: str) -> Place:
    """What `--executor` names: `local`, `processes:4`, `ray` (started on this machine), or the address of a cluster.

    `processes` alone is one process for each core, and `local` where there is only one core.

    Raises:
        InputError: the name is unknown.
    """
    kind, _, rest = name.partition(":")
    if name == "local" or (name == "processes" and cores() == 1):
        return Local()
    if name == "processes":
        return Processes(cores())
    if kind == "processes" and rest.isdecimal() and int(rest) > 0:
        return Processes(int(rest))
    if name == "ray" or (rest and kind != "processes"):
        return Cluster(None if name == "ray" else name)
    raise InputError(
        f"--executor {name}: should be local, processes:4, ray, or a Ray cluster's address as ray://head:10001; "
        "processes alone is one on each core"
    )


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
