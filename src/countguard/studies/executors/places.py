"""Where work may be done, by the name that `--executor` takes."""

from dataclasses import dataclass
from typing import TypeAlias

from countguard.errors import InputError
from countguard.studies.executors.workers import cores


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
