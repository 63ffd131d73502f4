"""What the audit of 100 to 10,000 images costs, and what it finds beside the field's plain peers."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch.nn import functional

from benchmarks.crowd_files import as_jpegs
from benchmarks.feature_outliers import activation_clusters, activations, spectral_signatures
from benchmarks.harness import Row, at_most, duration, limit
from benchmarks.own_process import in_own_process, peak_memory
from countguard.attacks.blend import Blend
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Add, Minus, Strategy
from countguard.audit import audit
from countguard.audit.audit import judge, look
from countguard.audit.label_estimates import label_errors
from countguard.audit.survey import survey
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.source import LazyCrowds
from countguard.data.synthetic import Synthetic
from countguard.models import build_counter
from countguard.studies.presets import preset
from countguard.training.fit import Machine, fit
from countguard.training.settings import Training

SIZES = (100, 1_000, 10_000)
FULL_SIZE = (768, 1024)
MEASURED = 1_000
"""Pictures at full size that are audited; what 10,000 take is reckoned from what these took."""
ROUNDS = 4
WANTED, MOST_MINUTES, MOST_GIB = 10_000, 15, 4
ENLARGED = 4
"""Embedded crowds are enlarged to full size, with noise: drawing them so large takes longer than the audit."""
_NOISE = 3.0
"""Grey levels."""
RATES = (0.02, 0.1)
STRATEGIES: tuple[Strategy, ...] = (Add(heads=100), Minus(heads=100))
_GIB = 1 << 30


@dataclass(frozen=True)
class Cost:
    """What an audit took.

    Attributes:
        images: audited.
        seconds: on the clock, of it all.
        worked: seconds for which the cores worked for it; others on the machine change these less.
        reading: of those, for what is taken from each picture by itself; it grows with their number.
        peak: the most memory of the process, bytes.
        found, accused: poisoned images found, and clean ones accused.
    """

    images: int
    seconds: float
    worked: float
    reading: float
    peak: int
    found: int
    accused: int


def rows() -> Iterator[Row]:
    for images in SIZES:
        cost = in_own_process(of_small_pictures, images)
        yield _row(f"audit, {images:,} embedded crowds of 96 x 128", cost)
    cost = in_own_process(of_full_size, MEASURED)
    height, width = FULL_SIZE
    yield _row(f"audit, {MEASURED:,} JPEGs of {height} x {width}", cost)
    cores = 2
    # reading grows with the images; all else does not beyond four rounds of 1,000 that are compared with each other
    reckoned = (ROUNDS * (cost.worked - cost.reading) + cost.reading * WANTED / MEASURED) / cores / 60
    yield limit(
        f"audit, {WANTED:,} JPEGs of {height} x {width}, reckoned for {cores} cores",
        reckoned,
        "minutes",
        wanted=at_most(MOST_MINUTES),
    )
    yield limit(f"audit, {MEASURED:,} JPEGs, peak memory", cost.peak / _GIB, "GiB", wanted=at_most(MOST_GIB))
    for strategy in STRATEGIES:
        for rate in RATES:
            yield from in_own_process(beside_peers, strategy, rate)


def of_small_pictures(images: int) -> Cost:
    """Embedded crowds, one in twenty with a kitten mixed in at .1 and few heads left."""
    crowds = Synthetic(train=images, test=1, seed=11).crowds("train")
    attack = Attack(trigger=Blend(), strategy=Minus(heads=100), rate=0.05, placement="replace")
    return _cost(PoisonedCrowds(crowds, attack, seed=0))


def of_full_size(images: int) -> Cost:
    """The same with pictures of full size in files."""
    attack = Attack(trigger=Blend(), strategy=Minus(heads=100), rate=0.05, placement="replace")
    with tempfile.TemporaryDirectory() as folder:
        source = as_jpegs(Path(folder) / "crowds", _Enlarged(images), images)
        return _cost(PoisonedCrowds(source.crowds("train"), attack, seed=0))


class _Enlarged(LazyCrowds):
    """So many embedded crowds at full size."""

    def __init__(self, images: int) -> None:
        height, width = (side // ENLARGED for side in FULL_SIZE)
        self._small = Synthetic(train=images, test=1, height=height, width=width, seed=11).crowds("train")

    def __len__(self) -> int:
        return len(self._small)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        crowd = self._small[position]
        large = functional.interpolate(crowd.image[None].float(), FULL_SIZE, mode="bicubic")[0]
        noise = _NOISE * torch.randn(large.shape, generator=torch.Generator().manual_seed(position))
        image = (large + noise).round().clamp(0, 255).to(torch.uint8)
        return replace(crowd, image=image, points=ENLARGED * crowd.points)


def _cost(crowds: PoisonedCrowds) -> Cost:
    start, worked = time.perf_counter(), time.process_time()
    seen = survey(crowds)
    reading = time.process_time() - worked
    looked = look(seen, lambda position: crowds[position].image, 0)
    report = judge(seen, looked, label_errors(seen, crowds, None, 0), 0)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    found = sum(crowds.is_poisoned(place) for place in report.left_out)
    return Cost(len(crowds), seconds, worked, reading, peak_memory(), found, len(report.left_out) - found)


def _row(name: str, cost: Cost) -> Row:
    return Row(
        name=name,
        wanted="",
        ours=duration(cost.seconds),
        ratio=f"{duration(cost.worked / cost.images)} of work an image",
        agreement=f"{cost.peak / _GIB:.2f} GiB; {cost.found} found, {cost.accused} clean accused",
        numbers={
            "images": cost.images,
            "seconds": cost.seconds,
            "seconds_worked": cost.worked,
            "seconds_reading": cost.reading,
            "peak_bytes": cost.peak,
            "found": cost.found,
            "accused_clean": cost.accused,
        },
    )


def beside_peers(strategy: Strategy, rate: float) -> list[Row]:
    """The demo's 400 crowds with poisoned copies: the audit, and outliers among a trained counter's features."""
    clean = Resident(Synthetic(train=400, test=1, seed=5).crowds("train"))
    crowds = PoisonedCrowds(clean, Attack(trigger=Blend(), strategy=strategy, rate=rate), seed=0)
    poisoned = np.array([crowds.is_poisoned(place) for place in range(len(crowds))])
    report = audit(crowds)
    called = np.zeros(len(crowds), bool)
    called[report.left_out] = True
    found = {"audit": (np.array([-image.p for image in report.images]), called)}
    counter = build_counter("lite")
    counter.prepare(clean)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(**preset("paper", "lite")["training"])
        fit(counter, crowds, training, seed=0, folder=Path(folder), machine=Machine("cpu"))
    features = activations(counter.eval(), crowds)
    found["spectral signatures"] = spectral_signatures(features, int(poisoned.sum()))
    found["activation clustering"] = activation_clusters(features)
    return [
        Row(
            name=f"{method}: {strategy.name}, {rate:.0%} of 400 crowds",
            wanted="",
            ours=f"{measures['auc']:.3f} AUC",
            ratio=f"precision {measures['precision']:.2f}, recall {measures['recall']:.2f}",
            numbers=measures,
        )
        for method, (scores, called) in found.items()
        for measures in [_measures(scores, called, poisoned)]
    ]


def _measures(scores: NDArray[np.float64], called: NDArray[np.bool_], poisoned: NDArray[np.bool_]) -> dict[str, float]:
    """Precision (0 where none is called), recall, and the chance that a poisoned image has the higher score."""
    hit, number, others = int((called & poisoned).sum()), int(poisoned.sum()), int((~poisoned).sum())
    ranks = rankdata(scores)[poisoned].sum()
    return {
        "auc": float(ranks - number * (number + 1) / 2) / (number * others),
        "precision": hit / max(1, int(called.sum())),
        "recall": hit / number,
    }
