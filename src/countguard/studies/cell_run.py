"""Brings one cell from nothing, or from where it was interrupted, to its card."""

import csv
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from countguard import __version__
from countguard.attacks.poisoning import PoisonedCrowds
from countguard.data.source import CrowdSplit
from countguard.errors import InputError
from countguard.metrics.backdoor import Predictions, attack_metrics, counting_metrics
from countguard.metrics.intervals import Interval
from countguard.metrics.ratios import Direction
from countguard.models import load_counter, save_counter
from countguard.models.checkpoint import recipe_hash_of
from countguard.models.counter import Counter
from countguard.runs.example_writer import example_indices, write_examples
from countguard.runs.predictions import predict, read_predictions, write_predictions
from countguard.runs.results import read_card, write_card
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache, evaluation_device, machine_for, training_and_validation
from countguard.studies.recipe import CLEAN
from countguard.studies.strength_sweep import success_by_strength
from countguard.training.callbacks import EpochReport
from countguard.training.faults import faults_explained
from countguard.training.fit import fit
from countguard.writing import copy_file, make_folder, sha256_of

COUNTER = "counter.safetensors"
LARGEST = 1 << 34
"""Bytes of a counter's file."""


def run_cell(cell: Cell, study: Path, bench: CrowdCache, report: EpochReport | None = None) -> None:
    """Trains or repairs the cell's counter, measures it, and writes its card; nothing where the card is there.

    Each file is written whole, the card last, so that a cell killed at any instant goes on where it stopped.

    Args:
        cell: those that it needs are finished.
        study: the run's folder.
        bench: the crowds.
        report: hears of each epoch.

    Raises:
        InputError: crowds or weights are not usable.
        RunError: memory, disk or device ran out, or the training diverged.
    """
    folder = study / "cells" / cell.name
    if read_card(folder) is not None:
        return
    make_folder(folder, study)
    split = bench.split(cell.recipe.data)
    counter = _counter_of(cell, study, split, report)
    with faults_explained("counting", "a smaller data.scale would help, or machine.accelerator: cpu"):
        card = _measured(cell, study, split, counter)
    (folder / "resume.ckpt").unlink(missing_ok=True)
    write_card(card, folder)


def _measured(cell: Cell, study: Path, split: CrowdSplit, counter: Counter) -> dict[str, Any]:
    """Writes predictions and examples of the cell's counter; returns the card."""
    folder = _place(study, cell)
    started = time.monotonic()
    device = evaluation_device(cell.recipe.machine)
    counter.to(device).eval()
    strategy = None if cell.strategy == CLEAN else cell.recipe.attack.strategy(cell.strategy)
    trigger = cell.recipe.attack.trigger
    predictions = predict(counter, split.test, trigger, strategy, cell.seed)
    write_predictions(predictions, folder / "predictions.csv")
    kept = example_indices(split.test, cell.recipe.evaluation.examples)
    write_examples(counter, split.test, kept, trigger, cell.seed, folder / "examples.npz")
    direction: Direction = strategy.direction if strategy is not None else 0
    clean_counter = None if strategy is None else load_counter(_place(study, cell.clean_counter) / COUNTER, device)
    by_share = success_by_strength(
        counter, clean_counter, split.test, trigger, cell.recipe.evaluation.shares, direction, cell.seed
    )
    return _card(cell, study, predictions, direction) | {
        "by_share": by_share,
        "poisoned": None if strategy is None else _poisoned(cell, split),
        "settings": {"recipe": cell.recipe.dump(), "counter": counter.settings()},
        "device": _device_name(device),
        "seconds": {"training": _training_seconds(folder), "evaluation": round(time.monotonic() - started, 3)},
    }


def _counter_of(cell: Cell, study: Path, split: CrowdSplit, report: EpochReport | None) -> Counter:
    """The cell's counter: the one that lies in its folder, a twin's of the same training, or a newly trained one."""
    folder, key = _place(study, cell), cell.training_key
    if _trained_with(folder) == key:
        return load_counter(folder / COUNTER)
    for twin in sorted((study / "cells").iterdir()):
        if twin != folder and _trained_with(twin) == key:
            for name in ("training.csv", COUNTER):
                copy_file(twin / name, folder / name, LARGEST, root=study)
            return load_counter(folder / COUNTER)
    counter = _trained(cell, study, split, report)
    save_counter(counter, folder / COUNTER, recipe_hash=key)
    return counter


def _trained(cell: Cell, study: Path, split: CrowdSplit, report: EpochReport | None) -> Counter:
    recipe, folder = cell.recipe, _place(study, cell)
    machine = machine_for(recipe.machine)
    if cell.defense:
        counter = load_counter(_place(study, cell.attacked_counter) / COUNTER)
        defense = recipe.defense(cell.defense)
        clean, validation = training_and_validation(split, defense)
        history = defense.repair(
            counter, clean, seed=cell.seed, folder=folder, validation=validation, machine=machine, report=report
        )
    else:
        counter = recipe.model.build(cell.seed)
        crowds, validation = training_and_validation(split, recipe.training)
        counter.prepare(crowds)
        if cell.strategy != CLEAN:
            crowds = PoisonedCrowds(crowds, recipe.attack.attack(cell.strategy), cell.seed)
        history = fit(
            counter,
            crowds,
            recipe.training,
            seed=cell.seed,
            folder=folder,
            validation=validation,
            machine=machine,
            report=report,
        )
    history.write(folder / "training.csv")
    return counter


def _card(cell: Cell, study: Path, predictions: Predictions, direction: Direction) -> dict[str, Any]:
    metrics: dict[str, Interval] = counting_metrics(predictions)
    if cell.strategy != CLEAN:
        clean = read_predictions(_place(study, cell.clean_counter) / "predictions.csv")
        repaired = None
        if cell.defense:
            repaired = read_predictions(_place(study, cell.repaired_clean_counter) / "predictions.csv").triggered
        metrics |= attack_metrics(predictions, direction, clean.triggered, repaired)
    folder = _place(study, cell)
    return {
        "cell": cell.name,
        "dataset": cell.recipe.data.name,
        "model": cell.recipe.model.kind,
        "strategy": cell.strategy,
        "stage": cell.stage,
        "defense": cell.defense,
        "seed": cell.seed,
        "varied": cell.varied,
        "images": len(predictions.ids),
        "left_out": int((~predictions.has_ratio).sum()),
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        "hashes": {"training": cell.training_key, "counter": sha256_of(folder / COUNTER)},
        "versions": {
            "countguard": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "lightning", "numpy")},
        },
    }


def _poisoned(cell: Cell, split: CrowdSplit) -> dict[str, Any]:
    crowds, _ = training_and_validation(split, cell.recipe.training)
    poisoned = PoisonedCrowds(crowds, cell.recipe.attack.attack(cell.strategy), cell.seed)
    return {
        "indices": poisoned.indices,
        "ids": [crowds[index].id for index in poisoned.indices],
        "images": len(poisoned.indices),
    }


def _place(study: Path, cell: Cell) -> Path:
    return study / "cells" / cell.name


def _trained_with(folder: Path) -> str | None:
    """The training key of the counter in a folder; None where there is no whole one."""
    if not (folder / COUNTER).exists() or not (folder / "training.csv").exists():
        return None
    try:
        return recipe_hash_of(folder / COUNTER)
    except InputError:
        return None


def _training_seconds(folder: Path) -> float:
    with (folder / "training.csv").open(newline="", encoding="utf-8") as file:
        return round(sum(float(row["seconds"]) for row in csv.DictReader(file)), 3)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"
