"""Rows of a benchmark: what was measured, beside what was wanted, and whether the two ways agree.

A benchmark is a module with `rows() -> Iterator[Row]`, entered in `benchmarks.__main__.BENCHMARKS`. Most rows come from
`compare`, which times ours and a plain reference in turn; `limit` reports a number measured in another way, and
`needs_gpu` stands for a row that this machine cannot measure.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import scipy
import torch

SHORTEST_SAMPLE, LONGEST_SAMPLE = 0.05, 1.0
"""Seconds. A quick call is repeated until its sample lasts a twentieth of the other side's call, within these bounds:
it then meets the same disturbances of the machine."""

SLOW_CALL = 1.0
"""Seconds. A first call that took longer is not repeated to know better how long it takes."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Wanted:
    """The bound that a row is held against."""

    direction: Literal["at least", "at most"]
    bound: float

    def reached_by(self, value: float) -> bool:
        return value >= self.bound if self.direction == "at least" else value <= self.bound


def at_least(bound: float) -> Wanted:
    return Wanted("at least", bound)


def at_most(bound: float) -> Wanted:
    return Wanted("at most", bound)


@dataclass(frozen=True)
class Row:
    """One line of the report. Text is for people; `numbers` holds the same unrounded, for files.

    Attributes:
        reached: None where nothing was measured.
        agrees: None where there is nothing to agree with.
    """

    name: str
    wanted: str
    ours: str = ""
    reference: str = ""
    ratio: str = ""
    reached: bool | None = None
    agreement: str = ""
    agrees: bool | None = None
    numbers: dict[str, float] = field(default_factory=dict)


def compare(
    name: str,
    ours: Callable[[], T],
    reference: Callable[[], U],
    *,
    wanted: Wanted,
    difference: Callable[[T, U], float],
    tolerance: float,
    repeats: int = 9,
) -> Row:
    """Times ours and a plain reference in turn, and compares what they return.

    Each is called once beforehand: caches fill, and that result is the one compared. What has to be compiled is
    compiled before this is called.

    Args:
        name: the work, with its sizes.
        ours: one unit of the work; what it returns is compared.
        reference: the same unit, done plainly.
        wanted: `at_least` bounds the speed-up, reference time over ours; `at_most` bounds the cost, ours over
            reference.
        difference: of the two results, in a unit that the reader knows.
        tolerance: greatest difference at which they still agree.
        repeats: samples of each; the medians are reported.
    """
    ours_result, ours_once = _first_call(ours)
    reference_result, reference_once = _first_call(reference)
    ours_calls, reference_calls = _calls(ours_once, reference_once), _calls(reference_once, ours_once)
    ours_samples, reference_samples = [], []
    for _ in range(repeats):
        ours_samples.append(_seconds_a_call(ours, ours_calls))
        reference_samples.append(_seconds_a_call(reference, reference_calls))
    ours_seconds, reference_seconds = statistics.median(ours_samples), statistics.median(reference_samples)
    pairs = zip(ours_samples, reference_samples, strict=True)
    if wanted.direction == "at least":
        ratio, ratios = reference_seconds / ours_seconds, [theirs / mine for mine, theirs in pairs]
    else:
        ratio, ratios = ours_seconds / reference_seconds, [mine / theirs for mine, theirs in pairs]
    apart = difference(ours_result, reference_result)
    return Row(
        name=name,
        wanted=f"{wanted.direction} {wanted.bound:,g}x",
        ours=duration(ours_seconds),
        reference=duration(reference_seconds),
        ratio=f"{_short(ratio)}x ({_short(min(ratios))} to {_short(max(ratios))})",
        reached=wanted.reached_by(ratio),
        agreement=f"{apart:.2g} apart, {tolerance:.2g} allowed",
        agrees=apart <= tolerance,
        numbers={
            "ours_seconds": ours_seconds,
            "reference_seconds": reference_seconds,
            "ratio": ratio,
            "ratio_low": min(ratios),
            "ratio_high": max(ratios),
            "wanted": wanted.bound,
            "difference": apart,
            "tolerance": tolerance,
        },
    )


def limit(name: str, value: float, unit: str, *, wanted: Wanted) -> Row:
    """A row for a number that has no reference: seconds until help is shown, GiB of memory, minutes of a matrix."""
    return Row(
        name=name,
        wanted=f"{wanted.direction} {wanted.bound:,g} {unit}",
        ours=f"{_short(value)} {unit}",
        reached=wanted.reached_by(value),
        numbers={"value": value, "wanted": wanted.bound},
    )


def needs_gpu(name: str, wanted: Wanted, unit: str = "x") -> Row:
    """Stands for a row that only a machine with a GPU can measure."""
    return Row(name=name, wanted=f"{wanted.direction} {wanted.bound:,g}{unit}", ours="needs a GPU")


def median_seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Median time of one call, after one that does not count."""
    _, once = _first_call(call)
    calls = _calls(once, once)
    return statistics.median(_seconds_a_call(call, calls) for _ in range(repeats))


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:  # which three digits would round to 1,000 of the smaller unit
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def machine_facts() -> dict[str, Any]:
    """What a timing depends on besides the code.

    Idle OpenMP threads spin by default ("waiting"): where others use the machine too ("load"), each small parallel
    loop then takes up to a scheduler's slice, and only OMP_WAIT_POLICY=passive gives figures worth having.
    """
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "waiting": os.environ.get("OMP_WAIT_POLICY", "default").lower(),
        "load": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _first_call(call: Callable[[], T]) -> tuple[T, float]:
    """The result of a first call, and about how long a later one takes."""
    start = time.perf_counter()
    result = call()
    _wait_for_device()
    first = time.perf_counter() - start
    return result, first if first > SLOW_CALL else _seconds_a_call(call, 1)


def _calls(once: float, other_once: float) -> int:
    """Calls that make a sample, for a call of this length beside another."""
    sample = min(max(other_once / 20, SHORTEST_SAMPLE), LONGEST_SAMPLE)
    return max(1, round(sample / once))


def _seconds_a_call(call: Callable[[], object], calls: int) -> float:
    _wait_for_device()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    _wait_for_device()
    return (time.perf_counter() - start) / calls


def _wait_for_device() -> None:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cpu_name() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
