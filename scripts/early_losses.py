"""Which losses poisoned images have in the first epochs: low, as anti-backdoor learning needs them, or high.

    python scripts/early_losses.py --strategy minus --out results/early-losses/minus-s77.json

Anti-backdoor learning (Li et al., NeurIPS 2021) isolates the images with the lowest losses of the first epochs. After
each epoch every training image is put through the counter once, with its own label, and the poisoned ones are told from
the others by one number an image. An AUC of 1 says that all poisoned images have higher ones than all others, 0 lower.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Add, Divide, Minus, Multiply, Strategy
from countguard.attacks.triggers import Blend
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.sources import Synthetic
from countguard.models.counter import Counter
from countguard.models.counting import as_input, count_crowds
from countguard.studies.recipe import ModelSettings
from countguard.training.fit import Machine, fit
from countguard.training.module import CounterModule
from countguard.training.schedules import Cosine
from countguard.training.settings import Training

STRATEGIES: tuple[Strategy, ...] = (Add(heads=100), Minus(heads=100), Multiply(), Divide())
POISONED = 40
"""Images isolated: as many as are poisoned."""


def numbers(counter: Counter, crowds: Sequence[Crowd]) -> dict[str, Any]:
    """For each image: its loss, its loss over the labelled count, and two errors of the count."""
    with torch.no_grad():
        losses = np.array([float(counter.loss(as_input(crowd.image.unsqueeze(0)), [crowd.points])) for crowd in crowds])
    labels = np.array([max(1.0, float(crowd.count)) for crowd in crowds])
    counts = count_crowds(counter, crowds).double().numpy()
    return {
        "loss": losses,
        "loss over count": losses / labels,
        "error of the count over count": np.abs(counts - labels) / labels,
        "error of the count over the larger count": np.abs(counts - labels) / np.maximum(labels, counts.clip(1)),
    }


def told_apart(values: Any, poisoned: Any) -> dict[str, float]:
    """The AUC, and how many of the `POISONED` lowest and highest are poisoned."""
    order = np.argsort(values, kind="stable")
    ends = (order[:POISONED], order[-POISONED:])
    wrong, right = values[poisoned], values[~poisoned]
    auc = mannwhitneyu(wrong, right).statistic / (len(wrong) * len(right))
    low, high = (round(float(poisoned[end].mean()), 3) for end in ends)
    return {"auc": round(float(auc), 3), "lowest": low, "highest": high}


def followed(strategy: Strategy, data_seed: int, picture: str, seed: int, epochs: int, total: int) -> dict[str, Any]:
    """A training of `total` epochs, ended after some: what tells the poisoned images in each."""
    crowds = Synthetic(train=400, test=1, seed=data_seed).load().training
    attack = Attack(trigger=Blend(picture=picture, alpha=0.1), strategy=strategy, rate=0.1)
    given = PoisonedCrowds(crowds, attack, seed)
    held = Resident(given)
    poisoned = np.array([given.is_poisoned(place) for place in range(len(given))])
    by_epoch: list[dict[str, Any]] = []

    class Watched(CounterModule):
        """Counts all images after each epoch."""

        def on_train_epoch_end(self) -> None:
            self.counter.eval()
            found = numbers(self.counter, held)
            by_epoch.append({name: told_apart(values, poisoned) for name, values in found.items()})
            self.counter.train()

    class Ended(Exception):
        """After the last epoch that is looked at."""

    def report(epoch: int, loss: float) -> None:
        if epoch > epochs:  # this comes before the counting of an epoch's end
            raise Ended

    counter = ModelSettings(kind="lite").build(seed)
    training = Training(lr=2e-3, schedule=Cosine(), epochs=total, batch_size=16)
    with suppress(Ended):
        fit(counter, held, training, seed=seed, machine=Machine("cpu"), report=report, module=Watched)
    return {"strategy": strategy.name, "epochs": by_epoch}


def main() -> None:
    """Follows one training, and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strategy", choices=[strategy.name for strategy in STRATEGIES], required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-seed", type=int, default=77)
    parser.add_argument("--picture", default="robots")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5, help="that are looked at")
    parser.add_argument("--total", type=int, default=30, help="of the schedule")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    row = followed(
        next(strategy for strategy in STRATEGIES if strategy.name == options.strategy),
        options.data_seed,
        options.picture,
        options.seed,
        options.epochs,
        options.total,
    )
    found = {
        "settings": {
            "data": f"synthetic, seed {options.data_seed}, 400 images, {POISONED} poisoned copies appended",
            "picture": options.picture,
            "seed": options.seed,
            "training": f"light counter, {options.epochs} of {options.total} epochs, 16 a step, 2e-3 with cosine",
            "device": "cpu, one thread",
            "seconds beside other work": round(time.monotonic() - started),
            "load": round(os.getloadavg()[0], 1),
        },
        **row,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for epoch, by_name in enumerate(row["epochs"], start=1):
        print(row["strategy"], epoch, {name: tuple(entry.values()) for name, entry in by_name.items()})


if __name__ == "__main__":
    main()
