"""Where the pictures of an audited set are read: in this process, in several, or on a Ray cluster."""

import pickle
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import Any

from countguard.audit.features import Canvas
from countguard.audit.survey import TakeBlocks, Taken, in_order, in_threads, take_block
from countguard.data.crowd import Crowd
from countguard.errors import InputError, RunError
from countguard.studies.executors.places import Cluster, Processes, place_of
from countguard.studies.executors.workers import working


def blocks_for(name: str) -> TakeBlocks:
    """Where blocks of pictures are tasks, by the name that `--executor` takes, see `place_of`.

    Raises:
        InputError: the name is unknown, or Ray is not installed.
    """
    place = place_of(name)
    if isinstance(place, Processes):
        return _in_processes(place.workers)
    if isinstance(place, Cluster):
        return _on_ray(place.address)
    return in_threads


def _in_processes(workers: int) -> TakeBlocks:
    def take_blocks(crowds: Sequence[Crowd], canvas: Canvas, blocks: Sequence[range]) -> Iterator[Sequence[Taken]]:
        with tempfile.TemporaryDirectory(prefix="countguard-audit-") as folder:
            given = Path(folder) / "crowds"
            given.write_bytes(pickle.dumps((crowds, canvas)))
            try:
                with working(workers) as submit:
                    yield from in_order(lambda block: submit(_take, given, block), blocks, 2 * workers)
            except BrokenProcessPool as error:
                raise RunError(
                    "a process that read pictures was killed (of memory, perhaps: fewer processes need less)"
                ) from error

    return take_blocks


@cache
def _given(path: Path) -> tuple[Sequence[Crowd], Canvas]:
    """The crowds that the parent wrote for its workers, loaded once in each."""
    crowds, canvas = pickle.loads(path.read_bytes())  # of this run's own temporary folder
    return crowds, canvas


def _take(given: Path, block: range) -> list[Taken]:
    return take_block(*_given(given), block)


def _on_ray(address: str | None) -> TakeBlocks:
    from countguard.studies.executors.ray import RETRIES, connected, imported_ray  # it loads what trains counters

    ray = imported_ray()

    def take_blocks(crowds: Sequence[Crowd], canvas: Canvas, blocks: Sequence[range]) -> Iterator[Sequence[Taken]]:
        with connected(ray, address):
            workers = max(1, min(len(blocks), int(ray.cluster_resources().get("CPU", 1))))
            given = ray.put((crowds, canvas))
            reader = ray.remote(_Reader).options(num_cpus=1, max_restarts=RETRIES, max_task_retries=RETRIES)
            readers = [reader.remote(given) for _ in range(workers)]
            waiting: deque[Any] = deque()
            for number, block in enumerate(blocks):
                waiting.append(readers[number % workers].take.remote(block))
                if len(waiting) > 2 * workers:
                    yield _result(ray, waiting.popleft(), RETRIES + 1)
            while waiting:
                yield _result(ray, waiting.popleft(), RETRIES + 1)

    return take_blocks


class _Reader:
    """Reads blocks of pictures in a worker of the cluster, which sees their files under the same paths."""

    def __init__(self, given: tuple[Sequence[Crowd], Canvas]) -> None:
        self._given = given

    def take(self, block: range) -> list[Taken]:
        """See `take_block`."""
        return take_block(*self._given, block)


def _result(ray: Any, task: Any, tries: int) -> list[Taken]:
    try:
        taken: list[Taken] = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError | RunError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise RunError(f"a worker that read pictures was lost {tries} times ({type(error).__name__})") from error
    return taken
