"""Trains one counter on a data set as it is."""

from pathlib import Path

from countguard.data.source import CrowdSplit
from countguard.models import save_counter
from countguard.models.checkpoint import require_counter_place
from countguard.studies.crowd_cache import training_and_validation
from countguard.studies.machine import machine_for
from countguard.studies.recipe import Recipe
from countguard.training.callbacks import EpochReport
from countguard.training.fit import fit


def train_counter(recipe: Recipe, out: Path, report: EpochReport | None = None) -> int:
    """Trains one counter on a recipe's training crowds as they are, without an attack, and saves it.

    Returns:
        On how many images it was trained.

    Raises:
        InputError: crowds or weights are not usable, or `out` cannot be written.
        RunError: see `countguard.training.fit`.
    """
    weights = [] if recipe.model.weights is None else [Path(recipe.model.weights)]
    require_counter_place(out, "--out", weights)
    seed = recipe.seeds[0]
    counter = recipe.model.build(seed)
    crowds, validation = training_and_validation(_split(recipe), recipe.training)
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
    return len(crowds)


def _split(recipe: Recipe) -> CrowdSplit:
    """All training images; the test images alone where the recipe selects weights on them."""
    if recipe.training.select == "best_test_as_published":
        return recipe.data.load()
    return CrowdSplit(recipe.data.load_training(), [])
