"""Repairs one counter with a few clean images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from countguard.data.loading import Resident
from countguard.data.source import Source
from countguard.errors import InputError
from countguard.models import load_counter, save_counter
from countguard.models.checkpoint import require_counter_place
from countguard.operate.recipe import operator_recipe
from countguard.operate.repair import Repair, look_at_clean, split_for_repair
from countguard.operate.repair_page import require_page
from countguard.scan.guard import Guard, require_guard_place, write_calibration
from countguard.studies.machine import evaluation_device, machine_for
from countguard.studies.progress import epochs_shown


def defend_counter(
    path: Path, clean: Source, out: Path, overrides: Sequence[str], seed: int, *, force: bool = False
) -> Repair:
    """Repairs a counter with the training images of a clean data set, shows how far it is, and saves the result.

    A quarter of the images is held back: before and after are measured on them, and so is the threshold of the guard,
    which is written beside the repaired counter. A repair that makes clean counts worse is not saved, unless it is
    forced.

    Raises:
        InputError: the file is no counter, the crowds are not usable or too few, an override does not fit or has no
            effect, or `out` cannot be written.
        RunError: see `countguard.training.fit`; or a counter gives no finite number.
    """
    require_counter_place(out, "--out", [path])
    require_page(out)
    require_guard_place(out, "--out")
    counter = load_counter(path)
    recipe = operator_recipe(clean, counter.kind, overrides, verb="defend")
    crowds, held_back = split_for_repair(Resident(recipe.data.load_training()), seed)
    recipe = operator_recipe(clean, counter.kind, overrides, verb="defend", images=len(crowds))
    if len(recipe.defenses) != 1:
        raise InputError(f"--set defenses: holds {len(recipe.defenses)}; one repair is done at a time")
    defense, device = recipe.defenses[0], evaluation_device(recipe.machine)
    before = look_at_clean(counter.to(device), held_back, seed, str(path))
    with epochs_shown(defense) as report:
        defense.repair(counter.cpu(), crowds, seed=seed, machine=machine_for(recipe.machine), report=report)
    repair = Repair(
        counter=path,
        out=out,
        kind=counter.kind,
        data=clean.name,
        defense=defense.model_dump(mode="json"),
        trained_on=len(defense.budget(crowds, seed)),
        measured_on=len(held_back),
        before=before,
        after=look_at_clean(counter.to(device), held_back, seed, "the repaired counter"),
    )
    if repair.worse and not force:
        return replace(repair, written=False)
    guard = Guard(load_counter(path, device), counter).calibrate(held_back)
    save_counter(counter, out)
    write_calibration(guard, path, out)
    return replace(repair, guard=guard)
