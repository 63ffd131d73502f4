"""Measuring in a process of its own: what others have allocated there is not counted."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function of a module in a new process with as many threads as this one, and gives what it returns."""
    fresh = multiprocessing.get_context("spawn")
    threads = torch.get_num_threads()
    with ProcessPoolExecutor(1, mp_context=fresh, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_memory() -> int:
    """The most memory that this process has held at any time, bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024
