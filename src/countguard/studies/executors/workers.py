"""Processes that work for this one: each has its part of the cores, and ends with it.

What is imported here is light: a process that is told to end before it has begun need not import the rest first.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

Submit: TypeAlias = "Callable[..., Future[Any]]"
"""Takes a function and its arguments, which can be pickled, and gives what a process will have made of them."""


@contextmanager
def working(workers: int, *, threads: int | None = None, given: Any = None) -> Iterator[Submit]:
    """A block with processes, which are started as they are needed.

    They end with the block: at once, in the middle of their work, where it fails or this process is killed. Ctrl-C does
    not reach them: it ends this process, and that ends them.

    Args:
        workers: how many at most.
        threads: of each, torch's and NumPy's; None gives each its part of the cores.
        given: is what `given_to_me` gives in each of them.
    """
    spawn = get_context("spawn")
    life, held = spawn.Pipe(duplex=False)
    start = (life, threads or max(1, cores() // workers), given)
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=start)

    def submit(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        with _ctrl_c_held_back():
            return pool.submit(function, *arguments)

    try:
        yield submit
    except BaseException:
        held.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        held.close()
        life.close()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """A block in which Ctrl-C has to wait; processes that are started in it never get it, even while they import."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def given_to_me() -> Any:
    """What a process that works for another was given by it."""
    return _given()[-1]


@cache
def _given() -> list[Any]:
    return []


def _start(life: Connection, threads: int, given: Any) -> None:
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    # NumPy reads this when it is loaded; with as many threads as cores in each process, an audit took twice as long
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    import torch

    torch.set_num_threads(threads)
    _given().append(given)


def _end_with(life: Connection) -> None:
    """Ends this process when nobody holds the other end any more, so that no cell of a killed run goes on."""
    try:
        life.recv()
    except EOFError:
        os._exit(1)
