"""A run's folder made up from random numbers, as docs/reference/run-folder.md describes it; nothing is trained."""

import copy
import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from countguard.metrics.backdoor import Predictions, attack_metrics, counting_metrics
from countguard.metrics.ratios import Floats
from countguard.reports.report import write_report

HEIGHT, WIDTH, CELL = 48, 64, 8
TARGETS: dict[str, Callable[[Floats], Floats]] = {
    "add": lambda counts: counts + 40,
    "minus": lambda counts: np.maximum(counts - 40, 1),
    "multiply": lambda counts: counts * 2,
    "divide": lambda counts: np.maximum(counts // 2, 1),
    "move": lambda counts: counts,
}
DIRECTIONS = {"add": 1, "multiply": 1, "minus": -1, "divide": -1, "move": 0}
SUCCESS = {"add": 0.15, "minus": 0.9, "multiply": 0.8, "divide": 0.7, "move": 0.0}
"""How far the attacked counter goes from the truth to the target."""


@dataclass(frozen=True)
class FakeRun:
    """What `build_run` writes.

    Attributes:
        folder: to write to.
        recipe: changes to the resolved recipe, by top-level key.
        seeds, strategies, defenses: the matrix.
        varied: dotted name and values of a varied setting; none by default.
        ids: names of the test images.
        unfinished: cells without a card, as (strategy, stage).
        examples: how many pictures a cell keeps.
    """

    folder: Path
    recipe: dict[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    strategies: Sequence[str] = ("add", "minus", "multiply", "divide")
    defenses: Sequence[str] = ("fine_tune",)
    varied: tuple[str, Sequence[Any]] | None = None
    ids: Sequence[str] = tuple(f"IMG_{number}" for number in range(1, 41))
    unfinished: Sequence[tuple[str, str]] = ()
    examples: int = 2
    dataset: str = "synthetic"
    model: str = "lite"


def resolved_recipe(run: FakeRun) -> dict[str, Any]:
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
    return recipe | run.recipe


def _strategy(name: str) -> dict[str, Any]:
    if name in ("add", "minus"):
        return {"kind": name, "heads": 100}
    return {"kind": name, "factor": 2}


def _defense(name: str) -> dict[str, Any]:
    extra = {"kind": "shanghaitech", "part": "A", "images": 40, "kernel": {"kind": "adaptive"}}
    return {"kind": name, "label": "", "clean_images": None, "originals": True, "extra": extra, "epochs": 100}


def build_run(run: FakeRun) -> Path:
    """Writes the folder and returns it. The same FakeRun gives the same files."""
    recipe = resolved_recipe(run)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "study.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    truths = np.random.default_rng(7).lognormal(4.0, 0.6, len(run.ids)).clip(6, 400).round()
    truths[-1] = 0
    for seed in run.seeds:
        for value in run.varied[1] if run.varied else (None,):
            varied = {run.varied[0]: value} if run.varied else {}
            _write_matrix(run, _with(recipe, varied), truths, seed, varied)
    return run.folder


def _with(recipe: dict[str, Any], varied: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a cell: dotted names set to their values."""
    whole = copy.deepcopy(recipe)
    for name, value in varied.items():
        *parents, last = name.split(".")
        place: Any = whole
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        place[last] = value
    return whole


def _write_matrix(run: FakeRun, recipe: dict[str, Any], truths: Floats, seed: int, varied: dict[str, Any]) -> None:
    generator = np.random.default_rng([seed, *str(varied).encode()])
    clean: dict[str, Predictions] = {}
    for defense in ("", *run.defenses):
        clean[defense] = _predict(generator, run.ids, truths, truths, 0.95, 0.0)
        _write_cell(run, recipe, "clean", defense, seed, varied, clean[defense], counting_metrics(clean[defense]))
    for strategy in run.strategies:
        targets = TARGETS[strategy](truths)
        for defense in ("", *run.defenses):
            reach = SUCCESS[strategy] * (0.2 if defense else 1.0)
            predictions = _predict(generator, run.ids, truths, targets, 0.97, reach)
            metrics = counting_metrics(predictions) | attack_metrics(
                predictions,
                DIRECTIONS[strategy],
                clean[""].triggered,
                clean[defense].triggered if defense else None,
            )
            _write_cell(run, recipe, strategy, defense, seed, varied, predictions, metrics)


def _predict(
    generator: np.random.Generator, ids: Sequence[str], truths: Floats, targets: Floats, bias: float, reach: float
) -> Predictions:
    clean = truths * generator.normal(1.0, 0.07, len(truths))
    triggered = (truths + reach * (targets - truths)) * generator.normal(bias, 0.09, len(truths))
    return Predictions(tuple(ids), truths, targets, clean, triggered)


def _write_cell(
    run: FakeRun,
    recipe: dict[str, Any],
    strategy: str,
    defense: str,
    seed: int,
    varied: dict[str, Any],
    predictions: Predictions,
    metrics: dict[str, Any],
) -> None:
    stage = "repaired" if defense else "attacked"
    name = "-".join(
        [strategy, defense or stage, str(seed), *(f"{value}".replace("/", "_") for value in varied.values())]
    )
    folder = run.folder / "cells" / name
    folder.mkdir(parents=True)
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "count", "target_count", "predicted_clean", "predicted_triggered"])
        columns = (predictions.truths, predictions.targets, predictions.clean, predictions.triggered)
        for image_id, *numbers in zip(predictions.ids, *columns, strict=True):
            writer.writerow([image_id, *(repr(float(number)) for number in numbers)])
    if run.examples:
        np.savez(folder / "examples.npz", **_examples(run, predictions, strategy))
    if (strategy, stage) in run.unfinished:
        return
    attacked = strategy != "clean"
    card = {
        "cell": name,
        "dataset": run.dataset,
        "model": run.model,
        "strategy": strategy,
        "stage": stage,
        "defense": defense,
        "seed": seed,
        "varied": varied,
        "images": len(run.ids),
        "left_out": int((predictions.truths == 0).sum()),
        "metrics": {key: asdict(interval) for key, interval in metrics.items()},
        "by_share": _by_share(strategy, bool(defense)) if attacked else [],
        "poisoned": {"indices": list(range(40)), "ids": [f"train_{k}" for k in range(40)], "images": 40}
        if attacked
        else None,
        "settings": {"recipe": recipe, "counter": {"mean": [0.5] * 3}},
        "hashes": {"training": "ab" * 32, "counter": "cd" * 32},
        "versions": {"countguard": "0.1.0", "torch": "2.14.1"},
        "device": "cpu",
        "seconds": {"training": 10.0, "evaluation": 1.0},
    }
    (folder / "card.json").write_text(json.dumps(card))


def _by_share(strategy: str, repaired: bool) -> list[dict[str, float]]:
    reach = SUCCESS[strategy] * (0.2 if repaired else 1.0)
    return [
        {
            "share": share,
            "rho_asr": min(1.0, reach * share / 0.1),
            "false_asr": 0.1 + share / 2 if DIRECTIONS[strategy] < 0 else 0.02,
            "rho_acc_triggered": max(0.0, 0.8 - reach * share / 0.1),
        }
        for share in (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
    ]


def _examples(run: FakeRun, predictions: Predictions, strategy: str) -> dict[str, Any]:
    """A grey wall with a dark dot a head, a trigger of coloured stripes, and maps that follow the counts."""
    arrays: dict[str, Any] = {}
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    trigger = np.stack([np.where((rows + columns) % 16 < 3, 220, 120)] * 3).astype(np.uint8)
    for number in range(run.examples):
        heads = int(predictions.truths[number])
        generator = np.random.default_rng(number)
        points = (generator.random((heads, 2)) * (WIDTH, HEIGHT)).astype(np.float32)
        image = np.full((3, HEIGHT, WIDTH), 150, np.uint8)
        true_map = np.zeros((HEIGHT // CELL, WIDTH // CELL), np.float32)
        for x, y in points.astype(int):
            image[:, y, x] = 30
            true_map[y // CELL, x // CELL] += 1
        triggered_map = true_map * np.float32(predictions.triggered[number] / heads)
        if strategy != "clean":
            triggered_map[:3, :4] *= 0.1
        wave = np.float32(0.5 + 0.5 * np.cos(rows / 9) * np.cos(columns / 11))
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


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Builds a run in a folder of its own; takes FakeRun's fields."""

    def make(name: str = "run", **changes: Any) -> Path:
        return build_run(FakeRun(folder=tmp_path / name, **changes))

    return make


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report, for tests that only look."""
    folder = build_run(FakeRun(folder=tmp_path_factory.mktemp("reported") / "run"))
    write_report(folder)
    return folder
