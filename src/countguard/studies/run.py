"""Runs a study: checks everything, runs cell after cell, and keeps results.csv up to date."""

import shutil
from pathlib import Path

import torch
from rich.console import Console

from countguard.errors import InputError, RunError
from countguard.progress import log, logged_to
from countguard.runs.card import Card, read_finished
from countguard.runs.folder import RunFolder
from countguard.runs.lock import held
from countguard.runs.plan import Plan
from countguard.runs.results import write_results
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.executors.base import Executor
from countguard.studies.executors.local import run_locally
from countguard.studies.prepare import Prepared, prepare
from countguard.studies.progress import StudyProgress
from countguard.studies.recipe import Recipe
from countguard.writing import PARTIAL, make_folder, require_utf8, write_atomically
from countguard.yaml_text import dump_yaml, read_yaml

LEAST_DISK = 64 * 1024 * 1024
"""Bytes that must be free, in addition to those for the counters, before a study starts."""


def run_study(recipe: Recipe, study: Path, *, executor: Executor = run_locally, console: Console | None = None) -> Path:
    """Runs what is missing of a study; returns its folder.

    Args:
        recipe: the whole study.
        study: the run's folder; made if it is missing. A folder that holds another study is refused.
        executor: where the cells run.
        console: where progress is shown.

    Raises:
        InputError: recipe, crowds or weights are not usable, or the folder holds something else; before any work.
        RunError: memory, disk or device failed, or another run holds the folder; finished work is kept.
    """
    _require_own(study)
    crowds = CrowdCache()
    prepared = prepare(recipe, crowds)
    run = RunFolder(study)
    try:
        study.mkdir(parents=True, exist_ok=True)
        with held(study), logged_to(run.log):
            _take_folder(run, prepared.recipe)
            _sweep(study)
            _check_disk(study, prepared)
            if recipe.machine.threads is not None:
                torch.set_num_threads(recipe.machine.threads)
            make_folder(run.cells, study)
            _run_missing(prepared, run, crowds, executor, console or Console(stderr=True))
    except OSError as error:
        raise RunError(f"{error.filename or study}: {error.strerror or error}; finished cells are kept") from error
    return study


def _run_missing(prepared: Prepared, run: RunFolder, crowds: CrowdCache, executor: Executor, console: Console) -> None:
    """Runs the cells without a card; results.csv is up to date after each."""
    cards: dict[str, Card] = {}
    for cell in prepared.cells:
        if (card := read_finished(run.cell(cell.name).card)) is not None:
            cards[cell.name] = card
    missing = [cell for cell in prepared.cells if cell.name not in cards]
    log.info("%s: %d of %d cells to run", prepared.recipe.name, len(missing), len(prepared.cells))
    varied = Plan.of(prepared.recipe.dump()).varied

    def write() -> None:
        write_results(run.results, [cards[cell.name] for cell in prepared.cells if cell.name in cards], varied)

    def finished(cell: Cell) -> None:
        cards[cell.name] = Card.read(run.cell(cell.name).card)
        write()

    write()
    with StudyProgress(missing, console) as progress:
        executor(missing, run.path, crowds, progress, finished)
    log.info("%s: done", prepared.recipe.name)


def _require_own(study: Path) -> None:
    """Refuses a folder that is not a run before anything is written there, even a lock."""
    require_utf8(study, "--out")
    existing = next(path for path in (study, *study.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"{study}: {existing.name} is a file; --out should name a folder")
    if existing is study and not (study / "study.yaml").exists():
        strangers = [path.name for path in study.iterdir() if path.name not in (".lock", "run.log")]
        if strangers:
            raise InputError(f"{study}: holds {strangers[0]} and no study.yaml; use an empty or a new folder as --out")


def _take_folder(run: RunFolder, recipe: Recipe) -> None:
    """Writes study.yaml, or checks that the existing one is equal."""
    file = run.study
    resolved = recipe.dump(whole=True)
    if file.exists():
        before = read_yaml(file)
        if difference := _first_difference(before, resolved):
            raise InputError(f"{file}: holds another study ({difference}); use another --out")
        return
    write_atomically(file, dump_yaml(resolved))


def _sweep(study: Path) -> None:
    """Removes files that a killed run had written only in part; no other process writes while the folder is locked."""
    for partial in study.rglob(f"*{PARTIAL}"):
        if partial.is_symlink() or partial.is_file():
            partial.unlink(missing_ok=True)


def _first_difference(before: object, now: object, name: str = "") -> str | None:
    """The first setting that differs, by its dotted name; `machine` is ignored."""
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


def _check_disk(study: Path, prepared: Prepared) -> None:
    """Checks for room for every counter, resume points (weights and two moments each) and the rest, before any work."""
    needed = LEAST_DISK + prepared.counter_bytes * (len(prepared.cells) + 4)
    free = shutil.disk_usage(study).free
    if free < needed:
        raise RunError(
            f"{study}: {free >> 20} MiB are free, {len(prepared.cells)} counters need about {needed >> 20}; nothing "
            "was started"
        )
