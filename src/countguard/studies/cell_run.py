"""Runs one cell, from the start or from where it was interrupted, until its card is written."""

import csv
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import JsonValue

from countguard import __version__
from countguard.attacks.triggers import Trigger
from countguard.data.source import CrowdSplit
from countguard.errors import InputError
from countguard.metrics import Measurement, Predictions, measure
from countguard.metrics.ratios import Direction, Floats
from countguard.models import load_counter, save_counter
from countguard.models.checkpoint import recipe_hash_of
from countguard.models.counter import Counter
from countguard.reading import read_json
from countguard.runs.card import LARGEST as LARGEST_CARD
from countguard.runs.card import Card, LeftOut, read_finished
from countguard.runs.examples import example_indices, write_examples
from countguard.runs.folder import CellFolder, RunFolder
from countguard.runs.plan import digest, result_name
from countguard.runs.predictions import predict, read_predictions, triggered_counts, write_predictions
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache, training_and_validation
from countguard.studies.machine import evaluation_device, machine_for, name_of
from countguard.studies.strength_sweep import success_by_strength
from countguard.studies.training_set import TrainingSet, training_set
from countguard.training.callbacks import EpochReport
from countguard.training.faults import faults_explained
from countguard.training.fit import fit
from countguard.writing import copy_file, make_folder, sha256_of

LARGEST_COUNTER = 1 << 34
"""Bytes of a counter that a twin takes over."""


def run_cell(cell: Cell, study: Path, crowds: CrowdCache, report: EpochReport | None = None) -> None:
    """Trains, repairs or tunes the cell's counter, measures it, and writes its card; does nothing if there is a card.

    Each file is written completely or not at all, and the card last, so that a killed cell continues where it stopped.

    Args:
        cell: whose needed cells are finished.
        study: the run's folder.
        crowds: those that this process has read.
        report: is called after each epoch.

    Raises:
        InputError: crowds or weights are not usable.
        RunError: memory, disk or device ran out, or the training diverged.
    """
    run = RunFolder(study)
    folder = run.cell(cell.name)
    if read_finished(folder.card) is not None:
        return
    split, trained_on, counter = _prepared(cell, run, crowds, report)
    with faults_explained("counting", "a smaller data.scale would help, or machine.accelerator: cpu"):
        card = _measured(cell, run, crowds, split, counter, trained_on)
    folder.resume_point.unlink(missing_ok=True)
    card.write(folder.card)


def train_cell(cell: Cell, study: Path, crowds: CrowdCache, report: EpochReport | None = None) -> None:
    """Trains or repairs the cell's counter, so that `run_cell` has only to measure it; see there.

    Args:
        cell: those that it needs to train have been trained.
        study: the run's folder.
        crowds: those that this process has read.
        report: is called after each epoch.
    """
    _prepared(cell, RunFolder(study), crowds, report)


def _prepared(
    cell: Cell, run: RunFolder, crowds: CrowdCache, report: EpochReport | None
) -> tuple[CrowdSplit, TrainingSet, Counter]:
    """The cell's crowds, what its counter is trained on, and the counter, which lies in its folder from now on."""
    make_folder(run.cell(cell.name).path, run.path)
    split = crowds.split(cell.recipe.data)
    trained_on = training_set(cell, run, split)
    return split, trained_on, _counter_of(cell, run, split, trained_on, report)


def _measured(
    cell: Cell, run: RunFolder, crowds: CrowdCache, split: CrowdSplit, counter: Counter, trained_on: TrainingSet
) -> Card:
    """Writes predictions and examples of the cell's counter; returns the card."""
    folder = run.cell(cell.name)
    started = time.monotonic()
    device = evaluation_device(cell.recipe.machine)
    counter.to(device).eval()
    strategy, trigger = cell.strategy, cell.recipe.attack.trigger
    predictions = predict(counter, split.test, trigger, strategy, cell.seed)
    write_predictions(predictions, folder.predictions)
    kept = example_indices(split.test, cell.recipe.evaluation.examples)
    write_examples(counter, split.test, kept, trigger, cell.seed, folder.examples)
    direction: Direction = strategy.direction if strategy is not None else 0
    strengths = cell.recipe.evaluation.shares
    triggers = [trigger.with_strength(strength) for strength in strengths]
    estimates = triggered_counts(counter, split.test, triggers, cell.seed)
    clean = None if strategy is None else _clean_counts(cell, run, crowds, split, triggers, device)
    return Card(
        cell=cell.name,
        dataset=cell.recipe.data.name,
        model=result_name(cell.recipe.model.kind),
        strategy=cell.key.strategy,
        stage=cell.key.stage,
        defense=cell.key.defense,
        seed=cell.seed,
        varied=dict(cell.key.varied),
        images=len(predictions.ids),
        left_out=int((~predictions.has_ratio).sum()),
        metrics=measure(_measurement(cell, run, predictions, direction)),
        by_share=success_by_strength(predictions.truths, strengths, estimates, clean, direction),
        poisoned=trained_on.poisoned,
        filtered=trained_on.filtered,
        isolated=_isolated(cell, folder, trained_on),
        settings={"recipe": cell.recipe.dump(), "counter": counter.settings(), **_searched(folder)},
        hashes={"training": trained_on.key, "counter": sha256_of(folder.counter), **_origin(counter)},
        versions={
            "countguard": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "lightning", "numpy")},
        },
        device=name_of(device),
        seconds={"training": _training_seconds(folder), "evaluation": round(time.monotonic() - started, 3)},
    )


def _clean_counts(
    cell: Cell, run: RunFolder, crowds: CrowdCache, split: CrowdSplit, triggers: Sequence[Trigger], device: torch.device
) -> list[Floats]:
    """What the counter that was never attacked counts under each trigger: all other cells of its variant ask for it."""
    counter = run.cell(cell.key.clean_counter.name).counter
    how = {"triggers": [trigger.model_dump(mode="json") for trigger in triggers], "seed": cell.seed}
    return crowds.counts(
        digest({"counter": sha256_of(counter), "device": str(device), **how}),
        lambda: triggered_counts(load_counter(counter, device), split.test, triggers, cell.seed),
    )


def _searched(folder: CellFolder) -> dict[str, JsonValue]:
    """The trials of a repair whose settings were searched for, as the card holds them."""
    if not folder.search.exists():
        return {}
    trials: list[JsonValue] = read_json(folder.search, LARGEST_CARD, root=folder.path)
    return {"search": trials}


def _isolated(cell: Cell, folder: CellFolder, trained_on: TrainingSet) -> LeftOut | None:
    """What the cell's training left out; None where it isolates nothing."""
    if cell.recipe.training.isolate is None or not folder.isolated.exists():
        return None
    places: list[int] = read_json(folder.isolated, LARGEST_CARD, root=folder.path)
    found = len(trained_on.wrong.intersection(places))
    return LeftOut(images=len(trained_on.crowds), removed=len(places), poisoned=found, clean=len(places) - found)


def _origin(counter: Counter) -> dict[str, str]:
    """Of the weights that the counter started from: their hash and revision, where they came from a hub."""
    origin = counter.origin
    return {} if origin is None else {"weights": origin.sha256, "weights_revision": origin.revision}


def _measurement(cell: Cell, run: RunFolder, predictions: Predictions, direction: Direction) -> Measurement:
    """The cell's predictions beside those of the clean counters on the same triggered images."""
    if cell.strategy is None:
        return Measurement(predictions)
    clean = read_predictions(run.cell(cell.key.clean_counter.name).predictions)
    defended = None
    if cell.key.defense:
        defended = read_predictions(run.cell(cell.key.defended_clean_counter.name).predictions).triggered
    return Measurement(predictions, direction, clean.triggered, defended)


def _counter_of(
    cell: Cell, run: RunFolder, split: CrowdSplit, trained_on: TrainingSet, report: EpochReport | None
) -> Counter:
    """The cell's counter: from its folder, from another cell with the same training, or newly trained."""
    folder, key = run.cell(cell.name), trained_on.key
    if _trained_with(folder) == key:
        return load_counter(folder.counter)
    for twin in map(CellFolder, sorted(run.cells.iterdir())):
        if twin != folder and _trained_with(twin) == key:
            for theirs in (twin.search, twin.isolated, twin.training, twin.counter):
                if theirs.exists():  # the first two are there only where something was searched or isolated
                    copy_file(theirs, folder.path / theirs.name, LARGEST_COUNTER, root=run.path)
            return load_counter(folder.counter)
    counter = _trained(cell, run, split, trained_on, report)
    save_counter(counter, folder.counter, recipe_hash=key)
    return counter


def _trained(
    cell: Cell, run: RunFolder, split: CrowdSplit, trained_on: TrainingSet, report: EpochReport | None
) -> Counter:
    recipe, folder, defense = cell.recipe, run.cell(cell.name), cell.defense
    machine, start = machine_for(recipe.machine), cell.key.starts_from
    if start is None:
        counter = recipe.model.build(cell.seed)
        counter.prepare(trained_on.originals)
    else:
        counter = load_counter(run.cell(start.name).counter)
    if defense is not None:
        clean, validation = training_and_validation(split, defense)
        history = defense.repair(
            counter, clean, seed=cell.seed, folder=folder.path, validation=validation, machine=machine, report=report
        )
    else:
        history = fit(
            counter,
            trained_on.crowds,
            cell.relearn or recipe.training,
            seed=cell.seed,
            folder=folder.path,
            validation=trained_on.validation,
            machine=machine,
            report=report,
        )
    history.write(folder.training)
    return counter


def _trained_with(folder: CellFolder) -> str | None:
    """The training key of the counter in a folder; None if there is no complete one."""
    if not folder.counter.exists() or not folder.training.exists():
        return None
    try:
        return recipe_hash_of(folder.counter)
    except InputError:
        return None


def _training_seconds(folder: CellFolder) -> float:
    with folder.training.open(newline="", encoding="utf-8") as file:
        return round(sum(float(row["seconds"]) for row in csv.DictReader(file)), 3)
