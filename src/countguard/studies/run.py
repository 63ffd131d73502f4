"""Runs a study: checks everything first, then cell after cell, then results.csv."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from countguard.data.source import CrowdSplit
from countguard.data.sources import AnySource
from countguard.errors import InputError, RunError
from countguard.runs.lock import held
from countguard.runs.results import read_card, write_results
from countguard.studies.cells import Cell, cells_of
from countguard.studies.crowd_cache import machine_for, training_and_validation
from countguard.studies.executors.base import Executor, run_locally
from countguard.studies.progress import StudyProgress, log, logged_to
from countguard.studies.recipe import ModelSettings, Recipe
from countguard.studies.resolve import dump_yaml, read_yaml, variations
from countguard.training.settings import Training
from countguard.writing import PARTIAL, make_folder, write_atomically

LEAST_DISK = 64 * 1024 * 1024
"""Bytes that must be free beside the counters before a study starts."""
LARGEST_STUDY = 10_000
"""Cells; a recipe that varies a few settings too many asks for billions."""


def run_study(recipe: Recipe, study: Path, *, executor: Executor = run_locally, console: Console | None = None) -> Path:
    """Runs what is missing of a study; returns its folder.

    Args:
        recipe: the whole study.
        study: the run's folder; made where it is missing. A folder that holds another study is left alone.
        executor: where the cells run.
        console: where progress is shown.

    Raises:
        InputError: recipe, crowds or weights are not usable, or the folder holds something else; before any work.
        RunError: memory, disk or device ran out, or another run holds the folder; what was finished is kept.
    """
    _require_own(study)
    recipe = with_counter_settings(recipe)
    plan = planned(recipe)
    try:
        study.mkdir(parents=True, exist_ok=True)
        with held(study), logged_to(study / "run.log"):
            _take_folder(study, recipe)
            _sweep(study)
            _check_disk(study, plan)
            if recipe.machine.threads is not None:
                torch.set_num_threads(recipe.machine.threads)
            make_folder(study / "cells", study)
            missing = [cell for cell in plan if read_card(study / "cells" / cell.name) is None]
            log.info("%s: %d of %d cells to run", recipe.name, len(missing), len(plan))
            write_results(study, plan)
            with StudyProgress(missing, console or Console(stderr=True)) as progress:
                executor(missing, study, progress, lambda cell: write_results(study, plan))
            log.info("%s: done", recipe.name)
    except OSError as error:
        raise RunError(f"{error.filename or study}: {error.strerror or error}; finished cells are kept") from error
    return study


def planned(recipe: Recipe) -> list[Cell]:
    """All cells of a study in the order they run, after looking at all that could stop it: crowds, weights, machine.

    Raises:
        InputError: crowds or weights are missing or not usable.
        RunError: the machine that the recipe names is not there.
    """
    _require_size(recipe)
    cells = [cell for varied, variation in variations(recipe) for cell in cells_of(variation, varied)]
    looked_at: list[object] = []
    splits: dict[AnySource, CrowdSplit] = {}
    for cell in cells:
        recipe = cell.recipe
        machine_for(recipe.machine)
        if recipe.data not in splits:
            splits[recipe.data] = recipe.data.load()
            _log_skipped(recipe.data.name, splits[recipe.data].skipped)
        trainings = [recipe.training, *(defense for defense in recipe.defenses if isinstance(defense, Training))]
        for training in trainings:
            training_and_validation(splits[recipe.data], training)
        for extra in (getattr(defense, "extra", None) for defense in recipe.defenses):
            if extra is not None and extra not in looked_at:
                extra.load_training()
                looked_at.append(extra)
        if recipe.model not in looked_at:
            recipe.model.build(cell.seed)
            looked_at.append(recipe.model)
        picture = recipe.attack.trigger
        if picture not in looked_at:
            picture.picture_for(64, 64)
            looked_at.append(picture)
    names: Sequence[str] = [cell.name for cell in cells]
    if len(set(names)) < len(names):
        raise InputError("vary: two combinations give the same cell name; make the values tell apart")
    return cells


def with_counter_settings(recipe: Recipe) -> Recipe:
    """The recipe whose model names every argument, also those that are measured on the clean training crowds.

    A recipe that varies its model is returned as it is: each of its cards holds its counter's settings.

    Raises:
        InputError: crowds or weights are missing or not usable.
    """
    if any(name.split(".")[0] == "model" for name in recipe.vary):
        return recipe
    counter = recipe.model.build(recipe.seeds[0])
    counter.prepare(recipe.data.load_training())
    model = ModelSettings(kind=recipe.model.kind, weights=recipe.model.weights, **counter.settings())
    return recipe.model_copy(update={"model": model})


def _require_size(recipe: Recipe) -> None:
    counters = len(recipe.seeds) * (1 + len(recipe.attack.strategies)) * (1 + len(recipe.defenses))
    cells = math.prod(map(len, recipe.vary.values())) * counters
    if cells > LARGEST_STUDY:
        raise InputError(
            f"{recipe.name}: vary, seeds, strategies and defenses make {cells:,} cells, more than {LARGEST_STUDY:,}"
        )


def _log_skipped(name: str, lines: Sequence[str]) -> None:
    for line in lines:
        log.warning("skipped: %s", line)
    if lines:
        log.warning("%s: %d bad files were skipped", name, len(lines))


def _require_own(study: Path) -> None:
    """Refuses a folder of somebody else's before anything is put there, be it only a lock."""
    existing = next(path for path in (study, *study.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"{study}: {existing.name} is a file; --out should name a folder")
    if existing is study and not (study / "study.yaml").exists():
        strangers = [path.name for path in study.iterdir() if path.name not in (".lock", "run.log")]
        if strangers:
            raise InputError(f"{study}: holds {strangers[0]} and no study.yaml; use an empty or a new folder as --out")


def _take_folder(study: Path, recipe: Recipe) -> None:
    """Writes study.yaml, or makes sure that the one which is there says the same."""
    file = study / "study.yaml"
    resolved = recipe.dump()
    if file.exists():
        before = read_yaml(file)
        if difference := _first_difference(before, resolved):
            raise InputError(f"{file}: holds another study ({difference}); use another --out")
        return
    write_atomically(file, dump_yaml(resolved))


def _sweep(study: Path) -> None:
    """Removes what a killed run had not written to its end; nobody else writes there while the folder is held."""
    for partial in study.rglob(f"*{PARTIAL}"):
        if partial.is_symlink() or partial.is_file():
            partial.unlink(missing_ok=True)


def _first_difference(before: object, now: object, name: str = "") -> str | None:
    """The first setting that differs, by its dotted name; where a study runs is no part of what it is."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*now, *(key for key in before if key not in now)]:
            if name == "" and key == "machine":
                continue
            if found := _first_difference(before.get(key), now.get(key), f"{name}.{key}".lstrip(".")):
                return found
        return None
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return next((found for i, (a, b) in pairs if (found := _first_difference(a, b, f"{name}.{i}"))), None)
    return None if before == now else f"{name} is {before!r} there and {now!r} now"


def _check_disk(study: Path, plan: list[Cell]) -> None:
    """Before any work: room for every counter, its resume point (weights and two moments) and the rest."""
    counters = [cell.recipe.model.build(cell.seed) for cell in plan[:1]]
    bytes_each = sum(tensor.nbytes for counter in counters for tensor in counter.state_dict().values())
    needed = LEAST_DISK + bytes_each * (len(plan) + 4)
    free = shutil.disk_usage(study).free
    if free < needed:
        raise RunError(
            f"{study}: {free >> 20} MiB are free, {len(plan)} counters need about {needed >> 20}; nothing was started"
        )
