"""Repairs one counter with a few clean images."""

from collections.abc import Sequence
from pathlib import Path

from countguard.data.loading import Resident
from countguard.data.source import Source
from countguard.errors import InputError
from countguard.models import load_counter, save_counter
from countguard.operate.recipe import operator_recipe
from countguard.operate.repair import Repair, measure, split_for_repair
from countguard.studies.machine import evaluation_device, machine_for
from countguard.studies.progress import epochs_shown
from countguard.writing import require_place


def defend_counter(path: Path, clean: Source, out: Path, overrides: Sequence[str], seed: int) -> Repair:
    """Repairs a counter with the training images of a clean data set, shows how far it is, and saves the result.

    A quarter of the images is held back: before and after are measured on them.

    Raises:
        InputError: the file is no counter, the crowds are not usable or too few, an override does not fit, or `out`
            cannot be written.
        RunError: see `countguard.training.fit`.
    """
    require_place(out, "--out")
    counter = load_counter(path)
    crowds, held_back = split_for_repair(Resident(clean.load_training()), seed)
    recipe = operator_recipe(clean, counter.kind, overrides, images=len(crowds))
    if len(recipe.defenses) != 1:
        raise InputError(f"--set defenses: holds {len(recipe.defenses)}; one repair is done at a time")
    defense, device = recipe.defenses[0], evaluation_device(recipe.machine)
    before = measure(counter.to(device), held_back, seed)
    with epochs_shown(defense) as report:
        defense.repair(counter.cpu(), crowds, seed=seed, machine=machine_for(recipe.machine), report=report)
    save_counter(counter, out)
    return Repair(
        counter=path,
        out=out,
        kind=counter.kind,
        data=clean.name,
        defense=defense.model_dump(mode="json"),
        trained_on=len(defense.budget(crowds, seed)),
        measured_on=len(held_back),
        before=before,
        after=measure(counter.to(device), held_back, seed),
    )
