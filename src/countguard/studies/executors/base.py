"""What an executor is: where the cells of a study run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from countguard.errors import InputError
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.progress import StudyProgress

Executor: TypeAlias = Callable[[Sequence[Cell], Path, CrowdCache, StudyProgress, Callable[[Cell], None]], None]
"""Runs cells in a run's folder, each after those that it needs, and calls back as each is finished.

The crowds that this process has opened are handed on; an executor whose cells run elsewhere leaves them alone.
"""


def executor_for(name: str) -> Executor:
    """The executor of a name: `local`, `processes:4`, `ray` (a cluster of this machine's own), or a Ray's address.

    Raises:
        InputError: there is none.
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
