"""Trains one counter on a data set as it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import JsonValue

from countguard import __version__
from countguard.data.crowd import Crowd
from countguard.data.source import Chosen, CrowdSplit
from countguard.errors import InputError
from countguard.models import save_counter
from countguard.models.checkpoint import require_counter_place
from countguard.models.counter import Counter
from countguard.operate.kept_work import kept_work
from countguard.operate.pace import on_this, seconds_a_step, steps_of
from countguard.progress import duration
from countguard.studies.crowd_cache import training_and_validation
from countguard.studies.machine import machine_for
from countguard.studies.recipe import Recipe
from countguard.training.callbacks import EpochReport
from countguard.training.fit import Machine, fit
from countguard.training.settings import Training

TIMED = 50
"""Steps of a training from which on two of them are timed first, to tell how long it takes."""


def train_counter(
    recipe: Recipe,
    out: Path,
    report: EpochReport | None = None,
    say: Callable[[Chosen], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Counter:
    """Trains one counter on a recipe's training crowds as they are, without an attack, and saves it.

    Interrupted, it is kept in the folder `OUT.part`, and goes on from there.

    Args:
        recipe: of one counter.
        out: the file.
        report: hears of each epoch.
        say: hears which crowds are trained on, before the training.
        tell: hears how long it will take here, before the training.

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
    machine = machine_for(recipe.machine)
    parts = ("seeds", "data", "model", "training")
    settings = recipe.dump()
    command: dict[str, JsonValue] = {
        "verb": "train",
        "version": __version__,
        **{name: settings[name] for name in parts},
    }
    with kept_work(out, command) as kept:
        if tell is not None and not kept.anything:
            _say_time(counter, crowds, validation, recipe.training, seed, machine, tell)
        fit(
            counter,
            crowds,
            recipe.training,
            seed=seed,
            folder=kept.folder,
            validation=validation,
            machine=machine,
            report=report,
        )
        save_counter(counter, out)
        kept.done = True
    return counter


def _say_time(
    counter: Counter,
    crowds: Sequence[Crowd],
    validation: Sequence[Crowd] | None,
    training: Training,
    seed: int,
    machine: Machine,
    tell: Callable[[str], None],
) -> None:
    """Tells how long a training takes here, by two of its steps; short ones are begun at once."""
    steps, _ = steps_of(training, crowds, seed)
    if steps < TIMED:
        return

    def few(copied: Counter, some: Sequence[Crowd], settings: Training) -> object:
        return fit(copied, some, settings, seed=seed, validation=validation, machine=on_this(machine))

    whole = training.model_copy(update={"select": "last"})  # a selection measures crowds, which is no step
    step = seconds_a_step(counter, crowds, whole, few)
    tell(f"time: about {duration(steps * step)} here ({steps:,} steps, {1000 * step:.0f} ms each)")
