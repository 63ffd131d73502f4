"""Training in bf16 and in full precision gives the same rho_Acc, within its interval."""

import time
from collections.abc import Iterator

import torch

from benchmarks.harness import Row
from countguard.data.loading import Resident
from countguard.data.source import CrowdSplit
from countguard.metrics import Measurement, measure
from countguard.metrics.intervals import Interval
from countguard.runs.predictions import predict
from countguard.studies.machine import machine_for
from countguard.studies.resolve import read_recipe
from countguard.training.fit import fit

RECIPE = "demo"
"""Whose embedded crowds and counter are taken."""
TRAINING = ("training.epochs=24", "training.batch_size=16")
"""Longer than the demo's, which has to be short."""


def rows() -> Iterator[Row]:
    split = read_recipe(RECIPE).data.load()
    crowds = CrowdSplit(Resident(split.training), Resident(split.test))
    accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    rates: list[Interval] = []
    for precision in ("32-true", "bf16-mixed"):
        start = time.perf_counter()
        rate = trained_rate(crowds, precision, accelerator)
        seconds = time.perf_counter() - start
        rates.append(rate)
        yield Row(
            name=f"rho_Acc trained in {precision}, {accelerator}",
            wanted="",
            ours=f"{rate.value:.3f}",
            ratio=f"95 % from {rate.low:.3f} to {rate.high:.3f}",
            numbers={"rho_acc": rate.value, "low": rate.low, "high": rate.high, "seconds": seconds},
        )
    full, half = rates
    same = full.low <= half.value <= full.high and half.low <= full.value <= half.high
    yield Row(
        name="rho_Acc in bf16 and in full precision",
        wanted="within 95 %",
        ours=f"{half.value - full.value:+.3f}",
        reached=same,
        numbers={"difference": half.value - full.value},
    )


def trained_rate(crowds: CrowdSplit, precision: str, accelerator: str) -> Interval:
    """rho_Acc of the recipe's clean counter; it counts in full precision, however it was trained."""
    recipe = read_recipe(RECIPE, [*TRAINING, f"training.precision={precision}", f"machine.accelerator={accelerator}"])
    seed = recipe.seeds[0]
    counter = recipe.model.build(seed)
    fit(counter, crowds.training, recipe.training, seed=seed, machine=machine_for(recipe.machine))
    return measure(Measurement(predict(counter, crowds.test, recipe.attack.trigger, None, seed)))["rho_acc"]
