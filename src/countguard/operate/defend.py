"""What an operator does with one counter: train it, evaluate it, repair it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import JsonValue

from countguard.attacks.strategies import Strategy
from countguard.attacks.triggers import Trigger
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.source import Chosen, CrowdSplit
from countguard.data.sources import AnySource
from countguard.errors import InputError
from countguard.metrics.backdoor import attack_metrics, counting_metrics
from countguard.metrics.intervals import Interval
from countguard.models import load_counter, save_counter
from countguard.models.counter import Counter
from countguard.operate.repair import Repair, measure, split_for_repair
from countguard.runs.predictions import predict
from countguard.studies.crowd_cache import evaluation_device, machine_for, training_and_validation
from countguard.studies.presets import Raw
from countguard.studies.progress import epochs_shown
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import overridden, recipe_from
from countguard.training.callbacks import EpochReport
from countguard.training.fit import fit
from countguard.writing import require_place

REPAIR_VIEWS = 4_000
"""Pictures that the recommended repair looks at, however many clean images there are to draw them from: what CSRNet was
seen to need on real crowds."""
LIGHT_VIEWS, LIGHT_RATE = 20_000, 3e-3
"""The same for the light counter, whose pictures cost little, and its rate of learning (docs/defenses.md)."""


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
    require_place(out, "--out")
    seed = recipe.seeds[0]
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


def evaluate_counter(
    counter: Counter,
    crowds: Sequence[Crowd],
    trigger: Trigger,
    strategy: Strategy | None = None,
    clean_counter: Counter | None = None,
    seed: int = 0,
) -> dict[str, Interval]:
    """A counter's metrics on crowds, clean and triggered.

    Args:
        counter: to evaluate.
        crowds: with true points.
        trigger: whose effect is measured.
        strategy: under whose rule rho_asr is read; None leaves the attack's metrics out.
        clean_counter: never attacked, of the same model, for false_asr; without it false_asr and net_asr are left out,
            and rho_asr alone says little: the trigger's picture alone makes counters undercount.
        seed: of trigger and strategy.
    """
    predictions = predict(counter, crowds, trigger, strategy, seed)
    metrics = counting_metrics(predictions)
    if strategy is not None:
        baseline = predictions if clean_counter is None else predict(clean_counter, crowds, trigger, None, seed)
        of_attack = attack_metrics(predictions, strategy.direction, baseline.triggered)
        if clean_counter is None:
            of_attack = {name: value for name, value in of_attack.items() if name not in ("false_asr", "net_asr")}
        metrics |= of_attack
    return metrics


def defend_counter(path: Path, clean: AnySource, out: Path, overrides: Sequence[str], seed: int) -> Repair:
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


def recommended(kind: str, images: int) -> dict[str, JsonValue]:
    """The repair that an operator gets who names none, for so many clean images, as a recipe writes it."""
    light = kind == "lite"
    epochs = max(1, round((LIGHT_VIEWS if light else REPAIR_VIEWS) / images))
    # a short average: the preset's is as long as a whole training
    repair: dict[str, JsonValue] = {"kind": "random_blend", "epochs": epochs, "average": 0.98}
    return repair | ({"lr": LIGHT_RATE} if light else {})


def operator_recipe(
    data: AnySource, kind: str, overrides: Sequence[str] = (), *, images: int = 40, **model: JsonValue
) -> Recipe:
    """A recipe for one counter without an attack: the defaults of the steady preset for its kind, and overrides.

    Args:
        data: crowds with points.
        kind: of the counter.
        overrides: as `--set` takes them.
        images: how many a repair has.
        model: further settings of the counter, `weights` among them.

    Raises:
        InputError: an override is no setting or does not fit.
    """
    raw: Raw = {
        "name": "operator",
        "preset": "steady",
        "data": data.model_dump(mode="json"),
        "model": {"kind": kind, **model},
        "attack": {"strategies": []},
        "training": {},
        "defenses": [recommended(kind, images)],
    }
    return recipe_from(overridden(raw, overrides, "--set"), "--set")
