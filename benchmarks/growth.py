"""What 100 to 10,000 images cost: time grows as they do, and memory does not."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import linear_regression, median

from benchmarks.crowd_files import jpeg_folder
from benchmarks.harness import Row, at_most, duration, limit
from benchmarks.own_process import in_own_process, peak_memory
from countguard.attacks.blend import Blend
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.data.density import density_map
from countguard.data.folder import Folder
from countguard.models import build_counter
from countguard.runs.predictions import predict

SIZES = (100, 300, 1_000, 3_000, 10_000)
SETTLED = 1_000
"""From so many images on memory should stay as it is; the first ones fill the allocator's pools."""
HEIGHT, WIDTH = 96, 128
_MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What some work took on so many images.

    Attributes:
        seconds: on the clock.
        worked: seconds for which the cores worked for it; others on the machine change these less.
        peak: the most memory of the process so far, bytes.
    """

    work: str
    images: int
    seconds: float
    worked: float
    peak: int


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        source = jpeg_folder(Path(folder) / "crowds", max(SIZES), HEIGHT, WIDTH, scenes=100)
        costs = in_own_process(measured, source)
    for work in dict.fromkeys(cost.work for cost in costs):
        of_work = [cost for cost in costs if cost.work == work]
        for cost in of_work:
            yield Row(
                name=f"{work}, {cost.images:,} images",
                wanted="",
                ours=duration(cost.seconds),
                ratio=f"{duration(cost.worked / cost.images)} of work an image",
                numbers={
                    "images": cost.images,
                    "seconds": cost.seconds,
                    "seconds_worked": cost.worked,
                    "peak_bytes": cost.peak,
                },
            )
        slope = linear_regression([log(cost.images) for cost in of_work], [log(cost.worked) for cost in of_work]).slope
        yield limit(f"{work}, growth exponent (1 is linear)", slope, "", wanted=at_most(1.1))
    settled = next(cost for cost in costs if cost.images == SETTLED)
    more = (costs[-1].peak - settled.peak) / _MIB
    yield limit(f"all three, more memory for {SIZES[-1]:,} than for {SETTLED:,}", more, "MiB", wanted=at_most(64))


def measured(source: Folder) -> list[Cost]:
    """All three kinds of work on the first images of a set, size after size."""
    crowds = source.crowds("train")
    counter = build_counter("lite")
    attack = Attack(trigger=Blend(), strategy=Minus(heads=20), rate=1, placement="replace")

    def targets(images: int) -> None:
        for image in crowds.images[:images]:
            density_map(image.points, HEIGHT, WIDTH, kernel=counter.kernel)

    def poisoning(images: int) -> None:
        for _ in PoisonedCrowds(crowds[:images], attack, seed=0):
            pass

    def evaluation(images: int) -> None:
        predict(counter, crowds[:images], attack.trigger, None, seed=0)

    works = {"targets": targets, "poisoning from files": poisoning, "evaluation from files": evaluation}
    for work in works.values():
        work(min(SIZES))
    return [
        Cost(name, images, *times_of(work, images), peak_memory()) for images in SIZES for name, work in works.items()
    ]


def times_of(work: Callable[[int], None], images: int) -> tuple[float, float]:
    """Seconds on the clock and seconds worked: medians of some repeats, more of them where there are few images."""
    samples = []
    for _ in range(max(1, min(9, 3_000 // images))):
        start, worked = time.perf_counter(), time.process_time()
        work(images)
        samples.append((time.perf_counter() - start, time.process_time() - worked))
    return median(seconds for seconds, _ in samples), median(worked for _, worked in samples)
