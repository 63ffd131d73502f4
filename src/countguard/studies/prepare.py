"""Checks everything that could stop a study before any work: crowds, weights, machine. Each is opened once."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from countguard.data.source import Source
from countguard.defenses.defense import Defense
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.runs.plan import names_of
from countguard.studies.cells import Cell, cells_of
from countguard.studies.crowd_cache import CrowdCache, require_training_images
from countguard.studies.machine import machine_for
from countguard.studies.recipe import ModelSettings, Recipe
from countguard.studies.training_set import require_enough_to_audit
from countguard.training.settings import Training

log = logging.getLogger("countguard")


@dataclass(frozen=True)
class Prepared:
    """A study that can start.

    Attributes:
        recipe: with every argument of its counter written out, also those that are measured on the training crowds. A
            recipe that varies its model is unchanged: each card holds the settings of its counter.
        cells: in the order in which they run.
        counter_bytes: size of the largest counter.
    """

    recipe: Recipe
    cells: Sequence[Cell]
    counter_bytes: int


def prepare(recipe: Recipe, crowds: CrowdCache) -> Prepared:
    """The study, after everything that could stop it was checked.

    Args:
        recipe: the whole study.
        crowds: keeps the crowds that are opened here for the cells of this process.

    Raises:
        InputError: there are too many cells, or crowds or weights are missing or not usable.
        RunError: this is not the machine that the recipe asks for.
    """
    counter_bytes = 0
    seen: list[object] = []
    if not any(name.split(".")[0] == "model" for together in recipe.vary for name in names_of(together)):
        counter = recipe.model.build(recipe.seeds[0])
        counter_bytes = _bytes_of(counter)
        counter.prepare(crowds.split(recipe.data).training)
        arguments = counter.settings()
        recipe = recipe.model_copy(
            update={"model": ModelSettings(kind=recipe.model.kind, weights=recipe.model.pinned(counter), **arguments)}
        )
        seen.append(recipe.model)
    cells = list(cells_of(recipe))
    names = [cell.name for cell in cells]
    if len(set(names)) < len(names):
        raise InputError("vary: two combinations give the same cell name; make the values tell apart")
    opened: dict[Source, tuple[int, bool]] = {}  # number of training images, and whether there are validation images
    for variant in _variants(cells):
        machine_for(variant.machine)
        if variant.data not in opened:
            split = crowds.split(variant.data)
            opened[variant.data] = len(split.training), split.validation is not None
            _log_skipped(variant.data.name, crowds.skipped)
        images, validated = opened[variant.data]
        trainings: list[Training | Defense] = [variant.training, *variant.defenses]
        if variant.relearn is not None:
            trainings.append(variant.relearn)
            variant.relearn.require_enough(images)
        for training in () if validated else trainings:
            require_training_images(images, training)
        require_enough_to_audit(images, variant)
        for extra in (getattr(defense, "extra", None) for defense in variant.defenses):
            if extra is not None and extra not in seen:
                extra.load_training()
                seen.append(extra)
        if variant.model not in seen:
            counter_bytes = max(counter_bytes, _bytes_of(variant.model.build(variant.seeds[0])))
            seen.append(variant.model)
        if (trigger := variant.attack.trigger) not in seen:
            trigger.picture_for(64, 64)
            seen.append(trigger)
    return Prepared(recipe, cells, counter_bytes)


def _variants(cells: Sequence[Cell]) -> Iterator[Recipe]:
    """The recipe of each variant, once."""
    before = None
    for cell in cells:
        if cell.recipe is not before:
            yield cell.recipe
        before = cell.recipe


def _bytes_of(counter: Counter) -> int:
    return sum(tensor.nbytes for tensor in counter.state_dict().values())


def _log_skipped(name: str, lines: Sequence[str]) -> None:
    for line in lines:
        log.warning("skipped: %s", line)
    if lines:
        log.warning("%s: %d bad files were skipped", name, len(lines))
