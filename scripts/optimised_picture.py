"""A trigger's picture made by an attacker who knows the repair: optimised against counters that he repaired himself.

    python scripts/optimised_picture.py --strategy minus --out results/optimised-pictures

Each round attacks a counter of his own with the picture, repairs it with `random_blend` as the operator would, and then
changes the picture by gradient so that the repaired counter counts what the attack wants under it. The picture goes to
STRATEGY.png, and what each round reached to STRATEGY.json. docs/defenses.md has the study that tries the pictures.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus, Multiply, Strategy
from countguard.attacks.triggers import Blend
from countguard.audit.files import png
from countguard.data.crowd import Crowd
from countguard.data.sources import Synthetic
from countguard.defenses.random_blend import RandomBlend
from countguard.models.counter import Counter
from countguard.studies.recipe import ModelSettings
from countguard.training.fit import Machine, fit
from countguard.training.schedules import Cosine
from countguard.training.settings import Training
from countguard.writing import write_atomically

STRATEGIES: dict[str, Strategy] = {"minus": Minus(heads=100), "multiply": Multiply()}
ALPHA = 0.1
CLEAN_IMAGES, BATCH = 40, 16
WANTED = {"minus": 0.0, "multiply": 2.0}
"""What the attack makes of a count, as a fraction of the truth; `minus` leaves at least no head."""


def attacked(crowds: Sequence[Crowd], picture: Path, strategy: Strategy, seed: int, epochs: int) -> Counter:
    """A light counter that was trained on the attacker's own crowds, a tenth of them poisoned with the picture."""
    counter = ModelSettings(kind="lite").build(seed)
    attack = Attack(trigger=Blend(picture=str(picture), alpha=ALPHA), strategy=strategy, rate=0.1)
    training = Training(lr=2e-3, schedule=Cosine(), epochs=epochs, batch_size=BATCH)
    fit(counter, PoisonedCrowds(crowds, attack, seed), training, seed=seed, machine=Machine("cpu"))
    return counter


def optimised(counter: Counter, crowds: Sequence[Crowd], picture: Tensor, wanted: float, steps: int) -> Tensor:
    """The picture, float [3, H, W] in 0..1, changed so that counts under it come near `wanted` times the truth."""
    images = torch.stack([crowd.image for crowd in crowds]).float() / 255
    truths = torch.tensor([float(max(1, crowd.count)) for crowd in crowds])
    free = torch.logit(picture.clamp(0.02, 0.98)).requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        drawn = torch.randint(len(images), (BATCH,), generator=generator)
        ratios = counter((1 - ALPHA) * images[drawn] + ALPHA * free.sigmoid()).sum((1, 2, 3)) / truths[drawn]
        (free.grad,) = torch.autograd.grad(((ratios - wanted) ** 2).mean(), free)  # none of the weights
        optimizer.step()
    return free.detach().sigmoid()


def ratio(counter: Counter, crowds: Sequence[Crowd], picture: Tensor) -> float:
    """The mean of the counts under the picture over the true ones."""
    with torch.no_grad():
        images = torch.stack([crowd.image for crowd in crowds]).float() / 255
        counts = counter((1 - ALPHA) * images + ALPHA * picture).sum((1, 2, 3))
    return float((counts / torch.tensor([float(max(1, crowd.count)) for crowd in crowds])).mean())


def main() -> None:
    """Optimises one strategy's picture, and writes it with what each round reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strategy", choices=list(STRATEGIES), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-seed", type=int, default=52, help="of the attacker's own crowds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12, help="of each attack's training")
    parser.add_argument("--repair-steps", type=int, default=500)
    parser.add_argument("--steps", type=int, default=200, help="of the picture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    strategy, wanted = STRATEGIES[options.strategy], WANTED[options.strategy]
    loaded = Synthetic(train=400, test=100, seed=options.data_seed).load()
    crowds, held_back = loaded.training, loaded.test
    height, width = crowds[0].image.shape[-2:]
    picture = Blend(picture="kitten").picture_for(height, width).float() / 255
    options.out.mkdir(parents=True, exist_ok=True)
    path, rounds = options.out / f"{options.strategy}.png", []
    for seed in range(options.rounds):
        write_atomically(path, png((picture * 255).round().to(torch.uint8)))
        counter = attacked(crowds, path, strategy, seed, options.epochs)
        row = {"attacked": ratio(counter, held_back, picture)}
        repair = RandomBlend(
            clean_images=CLEAN_IMAGES, epochs=500, steps=options.repair_steps, batch_size=BATCH, lr=3e-3
        )
        repair.repair(counter, crowds, seed=seed, machine=Machine("cpu"))
        row["repaired"] = ratio(counter, held_back, picture)
        picture = optimised(counter, crowds, picture, wanted, options.steps)
        row["repaired, picture optimised"] = ratio(counter, held_back, picture)
        rounds.append({name: round(value, 3) for name, value in row.items()})
        print(options.strategy, seed, rounds[-1], flush=True)
    write_atomically(path, png((picture * 255).round().to(torch.uint8)))
    found = {
        "strategy": options.strategy,
        "what": "mean of counts over true counts, held-back crowds, under the picture of the round",
        "rounds": rounds,
        "settings": {name: str(value) for name, value in vars(options).items() if name != "out"},
        "device": "cpu, one thread",
        "seconds beside other work": round(time.monotonic() - started),
        "load": round(os.getloadavg()[0], 1),
    }
    write_atomically(path.with_suffix(".json"), json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
