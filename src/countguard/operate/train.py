"""Trains one counter on a data set as it is."""

from collections.abc import Callable
from pathlib import Path

from countguard.data.source import Chosen, CrowdSplit
from countguard.errors import InputError
from countguard.models import save_counter
from countguard.models.checkpoint import require_counter_place
from countguard.models.counter import Counter
from countguard.studies.crowd_cache import training_and_validation
from countguard.studies.machine import machine_for
from countguard.studies.recipe import Recipe
from countguard.training.callbacks import EpochReport
from countguard.training.fit import fit


def train_counter(
    recipe: Recipe, out: Path, report: EpochReport | None = None, say: Callable[[Chosen], None] | None = None
) -> Counter:
    """Trains one counter on a recipe's training crowds as they are, without an attack, and saves it.

    Args:
        recipe: of one counter.
        out: the file.
        report: hears of each epoch.
        say: hears which crowds are trained on, before the training.

    Raises:
        InputError: crowds or weights are not usable, or `out` cannot be written.
        RunError: see `countguard.training.fit`.
    """
    weights = [] if recipe.model.weights is None else [Path(recipe.model.weights)]
    require_counter_place(out, "--out", weights)
    if len(recipe.seeds) != 1:
        raise InputError(f"--set seeds: holds {len(recipe.seeds)}; one counter is trained, from one seed")
    (seed,) = recipe.seeds
    counter = recipe.model.build(seed)
    chosen = recipe.data.chosen_training()
    if say is not None:
        say(chosen)
    on_test = recipe.training.select == "best_test_as_published"
    test = recipe.data.chosen_test().crowds if on_test else []
    split = CrowdSplit(chosen.crowds, test, recipe.data.validation())
    crowds, validation = training_and_validation(split, recipe.training)
    counter.prepare(crowds)
    fit(
        counter,
        crowds,
        recipe.training,
        seed=seed,
        validation=validation,
        machine=machine_for(recipe.machine),
        report=report,
    )
    save_counter(counter, out)
    return counter
