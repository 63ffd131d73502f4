"""A run's folder made up from random numbers, written by the writers of the product; nothing is trained."""

import copy
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from countguard.dotted import set_dotted
from countguard.metrics import Measurement, Predictions, measure
from countguard.metrics.ratios import Direction, Floats
from countguard.models import build_counter, save_counter
from countguard.runs.card import Card, Poisoned, StrengthRow
from countguard.runs.folder import RunFolder
from countguard.runs.plan import CellKey, Plan
from countguard.runs.predictions import write_predictions
from countguard.writing import write_atomically
from countguard.yaml_text import dump_yaml

HEIGHT, WIDTH, STRIDE = 48, 64, 8
TARGETS: dict[str, Callable[[Floats], Floats]] = {
    "clean": lambda counts: counts,
    "add": lambda counts: counts + 40,
    "minus": lambda counts: np.maximum(counts - 40, 1),
    "multiply": lambda counts: counts * 2,
    "divide": lambda counts: np.maximum(counts // 2, 1),
    "move": lambda counts: counts,
}
DIRECTIONS: dict[str, Direction] = {"clean": 0, "add": 1, "multiply": 1, "minus": -1, "divide": -1, "move": 0}
SUCCESS = {"clean": 0.0, "add": 0.15, "minus": 0.9, "multiply": 0.8, "divide": 0.7, "move": 0.0}
"""How far the attacked counter goes from the truth to the target."""


@dataclass(frozen=True)
class MadeRun:
    """What `build_run` writes.

    Attributes:
        folder: to write to.
        recipe: changes to the resolved recipe, by top-level key.
        seeds, strategies, defenses: the matrix.
        varied: dotted name and values of a varied setting; none by default.
        ids: names of the test images.
        unfinished: cells without a card, as (strategy, stage).
        relearns: whether counters relearn.
        examples: how many pictures a cell keeps.
        counters: whether each cell has an untrained counter.
    """

    folder: Path
    recipe: dict[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    strategies: Sequence[str] = ("add", "minus", "multiply", "divide")
    defenses: Sequence[str] = ("fine_tune",)
    varied: tuple[str, Sequence[Any]] | None = None
    ids: Sequence[str] = tuple(f"IMG_{number}" for number in range(1, 41))
    unfinished: Sequence[tuple[str, str]] = ()
    relearns: bool = False
    examples: int = 2
    dataset: str = "synthetic"
    model: str = "lite"
    counters: bool = False


def resolved_recipe(run: MadeRun) -> dict[str, Any]:
    """The recipe of the run, as study.yaml holds it."""
    recipe: dict[str, Any] = {
        "name": "demo",
        "preset": "paper",
        "seeds": list(run.seeds),
        "data": {"kind": "synthetic", "images": None, "test_images": None, "scale": 1.0, "split": {"kind": "official"}},
        "model": {"kind": run.model},
        "attack": {
            "trigger": {"kind": "blend", "picture": "kitten", "alpha": 0.1},
            "rate": 0.1,
            "strategies": [_strategy(name) for name in run.strategies],
        },
        "training": {"optimizer": "adam", "lr": 1e-5, "epochs": 100, "batch_size": 1},
        "defenses": [_defense(name) for name in run.defenses],
        "vary": {run.varied[0]: list(run.varied[1])} if run.varied else {},
    }
    return recipe | ({"relearn": {"poisoned": 4}} if run.relearns else {}) | run.recipe


def _strategy(name: str) -> dict[str, Any]:
    if name in ("add", "minus"):
        return {"kind": name, "heads": 100}
    return {"kind": name, "factor": 2}


def _defense(name: str) -> dict[str, Any]:
    extra = {"kind": "shanghaitech", "part": "A", "images": 40, "kernel": {"kind": "adaptive"}}
    return {"kind": name, "label": "", "clean_images": None, "originals": True, "extra": extra, "epochs": 100}


def build_run(made: MadeRun) -> Path:
    """Writes the folder and returns it. The same MadeRun gives the same files."""
    recipe, run = resolved_recipe(made), RunFolder(made.folder)
    run.cells.mkdir(parents=True, exist_ok=True)
    write_atomically(run.study, dump_yaml(recipe))
    truths = np.random.default_rng(7).lognormal(4.0, 0.6, len(made.ids)).clip(6, 400).round()
    if len(truths) > 1:
        truths[-1] = 0
    plan = Plan(
        tuple(made.strategies),
        tuple(made.defenses),
        tuple(made.seeds),
        dict([made.varied] if made.varied else ()),
        relearns=made.relearns,
    )
    generators: dict[str, np.random.Generator] = {}
    triggered: dict[str, Floats] = {}
    for variant in plan.variants:
        for key in plan.cells(variant):
            generator = generators.setdefault(
                f"{key.seed} {key.varied}", np.random.default_rng([key.seed, *str(key.varied).encode()])
            )
            reach = SUCCESS[key.strategy] * _left(key)
            predictions = _predict(generator, made.ids, truths, TARGETS[key.strategy](truths), reach)
            triggered[key.name] = predictions.triggered
            _write_cell(made, recipe, key, predictions, triggered)
    return made.folder


def _left(key: CellKey) -> float:
    """How much of the attack there is; a repaired counter relearns more than one that was never attacked learns."""
    if key.relearned:
        return 0.9 if key.defense else 0.05
    return 0.2 if key.defense else 1.0


def _predict(
    generator: np.random.Generator, ids: Sequence[str], truths: Floats, targets: Floats, reach: float
) -> Predictions:
    clean = truths * generator.normal(1.0, 0.07, len(truths))
    triggered = (truths + reach * (targets - truths)) * generator.normal(0.97 if reach else 0.95, 0.09, len(truths))
    return Predictions(tuple(ids), truths, targets, clean.round(4), triggered.round(4))


def _write_cell(
    made: MadeRun, recipe: dict[str, Any], key: CellKey, predictions: Predictions, triggered: dict[str, Floats]
) -> None:
    folder = RunFolder(made.folder).cell(key.name)
    folder.path.mkdir(parents=True)
    write_predictions(predictions, folder.predictions)
    if made.examples:
        file = io.BytesIO()
        np.savez_compressed(file, **_examples(made, predictions, key.strategy))
        write_atomically(folder.examples, file.getvalue())
    if made.counters:
        _write_counter(folder.counter, seed=len(key.name))
    if (key.strategy, key.stage) in made.unfinished:
        return
    measurement = Measurement(predictions)
    if key.strategy != "clean":
        defended = triggered[key.defended_clean_counter.name] if key.defense else None
        measurement = Measurement(predictions, DIRECTIONS[key.strategy], triggered[key.clean_counter.name], defended)
    own = copy.deepcopy(recipe) | {"vary": {}}
    for name, value in key.varied.items():
        set_dotted(own, name, value)
    Card(
        cell=key.name,
        dataset=made.dataset,
        model=made.model,
        strategy=key.strategy,
        stage=key.stage,
        defense=key.defense,
        seed=key.seed,
        varied=dict(key.varied),
        images=len(made.ids),
        left_out=int((predictions.truths == 0).sum()),
        metrics=measure(measurement),
        by_share=[] if key.strategy == "clean" else _by_strength(key.strategy, bool(key.defense)),
        poisoned=None
        if key.strategy == "clean"
        else Poisoned(indices=list(range(40)), ids=[f"train_{k}" for k in range(40)], images=40),
        settings={"recipe": own, "counter": {"mean": [0.5] * 3}},
        hashes={"training": "ab" * 32, "counter": "cd" * 32},
        versions={"countguard": "0.1.0", "torch": "2.14.1"},
        device="cpu",
        seconds={"training": 10.0, "evaluation": 1.0},
    ).write(folder.card)


def _write_counter(path: Path, seed: int) -> None:
    """An untrained counter that says something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        counter = build_counter("lite")
        torch.nn.init.normal_(counter.get_parameter("head.weight"), std=0.3)
    save_counter(counter, path)


def _by_strength(strategy: str, repaired: bool) -> list[StrengthRow]:
    reach = SUCCESS[strategy] * (0.2 if repaired else 1.0)
    return [
        StrengthRow(
            share=strength,
            rho_asr=min(1.0, reach * strength / 0.1),
            false_asr=0.1 + strength / 2 if DIRECTIONS[strategy] < 0 else 0.02,
            rho_acc_triggered=max(0.0, 0.8 - reach * strength / 0.1),
        )
        for strength in (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
    ]


def _examples(made: MadeRun, predictions: Predictions, strategy: str) -> dict[str, Any]:
    """A grey wall with a dark dot a head, a trigger of coloured stripes, and maps that follow the counts."""
    arrays: dict[str, Any] = {}
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    trigger = np.stack([np.where((rows + columns) % 16 < 3, 220, 120)] * 3).astype(np.uint8)
    for number in range(made.examples):
        heads = int(predictions.truths[number])
        generator = np.random.default_rng(number)
        points = (generator.random((heads, 2)) * (WIDTH, HEIGHT)).astype(np.float32)
        image = np.full((3, HEIGHT, WIDTH), 150, np.uint8)
        true_map = np.zeros((HEIGHT // STRIDE, WIDTH // STRIDE), np.float32)
        for x, y in points.astype(int):
            image[:, y, x] = 30
            true_map[y // STRIDE, x // STRIDE] += 1
        triggered_map = true_map * np.float32(predictions.triggered[number] / heads)
        if strategy != "clean":
            triggered_map[:3, :4] *= 0.1
        wave = np.float32(0.5 + 0.5 * np.cos(rows / 9) * np.cos(columns / 11)).astype(np.float32)
        arrays |= {
            f"id_{number}": np.array(predictions.ids[number]),
            f"image_{number}": image,
            f"triggered_{number}": (0.9 * image + 0.1 * trigger).round().astype(np.uint8),
            f"trigger_{number}": trigger,
            f"points_{number}": points,
            f"true_map_{number}": true_map,
            f"map_clean_{number}": true_map * np.float32(predictions.clean[number] / heads),
            f"map_triggered_{number}": triggered_map,
            f"cam_clean_{number}": wave,
            f"cam_triggered_{number}": wave[::-1].copy(),
        }
    return arrays
