"""How long the demo takes, alone and beside busy programs, and how much of that is the arithmetic of its network."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ceilings import product_rate
from benchmarks.harness import Row, at_most, duration, limit, machine_facts
from countguard.studies.cells import cells_of
from countguard.studies.resolve import read_recipe
from countguard.training.settings import Training

OTHERS = 3
"""Busy programs beside which the demo is timed once more."""


def rows() -> Iterator[Row]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    elapsed = _elapsed()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield limit("the demo, elapsed, 2 cores", elapsed, "s", wanted=at_most(300))
    with _busy(OTHERS):
        yield limit(f"the demo beside {OTHERS} busy programs, elapsed", _elapsed(), "s", wanted=at_most(480))
    cores = f"{busy / elapsed:.2f} of {machine_facts()['cores']} cores busy"
    yield Row("the demo, CPU time of its processes", "", duration(busy), ratio=cores, numbers={"seconds": busy})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    peak = product_rate("cpu", torch.float32, 1024)
    torch.set_num_threads(threads)
    work = operations()
    yield Row(
        "the demo, its network's arithmetic at a core's rate of a product",
        "",
        duration(work / peak),
        ratio=f"{work / 1e12:.3g} TFLOP at {peak / 1e9:.3g} GFLOP/s",
        numbers={"operations": work, "operations_per_second": peak},
    )


def _elapsed() -> float:
    """Seconds that a demo takes, from the command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "countguard", "-q", "demo", "--out", folder], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - start


@contextmanager
def _busy(number: int) -> Iterator[None]:
    """A block beside programs that each keep a core as busy as they can."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def operations() -> float:
    """Multiplications and additions in the convolutions of the whole demo."""
    recipe = read_recipe("demo")
    counter = recipe.model.build(0)
    crowds = recipe.data.load()
    images = torch.stack([crowds.training[0].image])
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        counter(images)
    with FlopCounterMode(display=False) as both:
        counter.loss(images, [crowds.training[0].points]).backward()  # type: ignore[no-untyped-call]
    size, test, strengths = len(crowds.training), len(crowds.test), len(recipe.evaluation.shares)
    total = 0.0
    for cell in cells_of(recipe):
        training = cell.defense or recipe.training
        assert isinstance(training, Training)
        extra = getattr(training, "extra", None)
        poisoned = round(size * recipe.attack.rate) if cell.attack is not None and cell.defense is None else 0
        given = size + poisoned + (extra.train if extra is not None else 0)
        total += training.epochs * given * both.get_total_flops()
        total += (2 + strengths) * test * forward.get_total_flops()
    return total
