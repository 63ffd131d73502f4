"""Writing a poisoned set: all cores at work, at any size of set, beside one image at a time."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from benchmarks.crowd_files import jpeg_folder
from benchmarks.harness import Row, at_least, at_most, compare, limit
from benchmarks.own_process import in_own_process, peak_memory
from countguard.attacks.export import export_poisoned
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.attacks.triggers import Blend
from countguard.data.annotated import AnnotatedCrowds
from countguard.data.folder import Folder

HEIGHT, WIDTH = 768, 1024
SMALL, LARGE = 24, 200
TRIGGER = Blend()
ATTACK = Attack(trigger=TRIGGER, strategy=Minus(heads=20), rate=0.1)
_GIB = 1 << 30


@dataclass(frozen=True)
class Export:
    """What one export took.

    Attributes:
        busy: cores kept busy for which it had work, 0..1. Time that its threads stood in line for a core that
            others used counts: a shared machine measures as a quiet one.
        peak: of resident memory, bytes.
    """

    busy: float
    peak: int


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        small = jpeg_folder(Path(folder) / "small", SMALL, HEIGHT, WIDTH, scenes=4)
        large = jpeg_folder(Path(folder) / "large", LARGE, HEIGHT, WIDTH, scenes=4)
        crowds = PoisonedCrowds(small.crowds("train"), ATTACK, seed=0)
        yield compare(
            f"exporting {len(crowds)} pictures of {HEIGHT}x{WIDTH}",
            lambda: exported(crowds, Path(folder) / "ours"),
            lambda: plainly_exported(crowds, Path(folder) / "reference"),
            wanted=at_least(1),
            difference=grey_levels_apart,
            tolerance=1,
            repeats=3,
        )
        few = in_own_process(measured, small, Path(folder) / "few")
        many = in_own_process(measured, large, Path(folder) / "many")
        yield limit(f"exporting {LARGE} pictures, cores kept busy", many.busy, "of 1", wanted=at_least(0.85))
        yield limit(f"exporting {LARGE} pictures, peak memory", many.peak / _GIB, "GiB", wanted=at_most(4))
        name = f"exporting {LARGE} in place of {SMALL}, more memory"
        yield limit(name, max(0, many.peak - few.peak) / _GIB, "GiB", wanted=at_most(0.1))


def exported(crowds: PoisonedCrowds, out: Path) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    export_poisoned(crowds, out)
    return out


def plainly_exported(crowds: PoisonedCrowds, out: Path) -> Path:
    """Each image read, blended in floats, and saved, one after the other."""
    originals = crowds.originals
    assert isinstance(originals, AnnotatedCrowds)
    folder = out / "part_B" / "train_data"
    shutil.rmtree(out, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    (folder / "ground-truth").mkdir()
    picture = TRIGGER.picture_for(HEIGHT, WIDTH).permute(1, 2, 0).numpy().astype(np.float32)
    for place in range(len(crowds)):
        source = originals.images[crowds.source_index(place)]
        image, points = np.asarray(Image.open(source.path).convert("RGB")), source.points
        if crowds.is_poisoned(place):
            share = TRIGGER.alpha
            image = np.rint(image.astype(np.float32) * (1 - share) + picture * share).clip(0, 255).astype(np.uint8)
            points = crowds[place].points
        Image.fromarray(image).save(folder / "images" / f"IMG_{place + 1}.png")
        location = {"location": points.numpy().astype(np.float64), "number": float(len(points))}
        scipy.io.savemat(folder / "ground-truth" / f"GT_IMG_{place + 1}.mat", {"image_info": [[location]]})
    return out


def grey_levels_apart(ours: Path, reference: Path) -> float:
    """Greatest difference of any two values of the two sets of pictures."""
    pictures = sorted(path.relative_to(ours) for path in ours.rglob("*.png"))
    assert pictures == sorted(path.relative_to(reference) for path in reference.rglob("*.png"))
    return max(
        float(np.abs(np.asarray(Image.open(ours / path)).astype(int) - np.asarray(Image.open(reference / path))).max())
        for path in pictures
    )


def measured(source: Folder, out: Path) -> Export:
    """Exports a set whose tenth is poisoned."""
    crowds = PoisonedCrowds(source.crowds("train"), ATTACK, seed=0)
    samples: list[tuple[float, float]] = []
    export_poisoned(crowds, out, progress=lambda written: samples.append((time.perf_counter(), _wanted_seconds())))
    (start, before), (end, after) = samples[0], samples[-1]
    return Export((after - before) / (end - start) / (os.cpu_count() or 1), peak_memory())


def _wanted_seconds() -> float:
    """Time for which the threads of this process had a core or stood in line for one."""
    tasks = (path.read_text().split() for path in Path("/proc/self/task").glob("*/schedstat"))
    return sum(int(ran) + int(waited) for ran, waited, _ in tasks) / 1e9
