"""Repairs one counter with a few clean images."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import Tensor

from countguard import __version__
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.rescaled import Rescaled
from countguard.data.source import Source
from countguard.defenses.defense import Defense
from countguard.errors import InputError
from countguard.journal import Journal
from countguard.models import load_counter, save_counter
from countguard.models.checkpoint import require_counter_place
from countguard.models.counting import count_crowds
from countguard.models.hub import fetched
from countguard.operate.kept_work import kept_work
from countguard.operate.recipe import operator_recipe
from countguard.operate.repair import DAMAGED, PROBES, Choice, Measures, Repair, look_at_clean, split_for_repair
from countguard.operate.repair_page import require_page
from countguard.operate.repair_plan import SCALES, SHORT, Pace, Planner, in_words
from countguard.scan.guard import Guard, require_guard_place, write_calibration
from countguard.studies.machine import evaluation_device, machine_for
from countguard.studies.progress import epochs_shown
from countguard.training.callbacks import History
from countguard.training.settings import Training
from countguard.wording import plural
from countguard.writing import sha256_of

_CHOICE: TypeAdapter[Choice] = TypeAdapter(Choice)


def defend_counter(
    path: Path,
    clean: Source,
    out: Path,
    overrides: Sequence[str],
    seed: int,
    *,
    force: bool = False,
    scale: float | None = None,
    budget: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Repair:
    """Repairs a counter with the training images of a clean data set, shows how far it is, and saves the result.

    A quarter of the images is held back: before and after are measured on them, at their own size, and so is the
    threshold of the guard, which is written beside the repaired counter. A repair that makes clean counts worse is not
    saved, unless it is forced. Interrupted, it is kept in the folder `OUT.part`, and goes on from there.

    Args:
        path: file of the counter.
        clean: crowds with their heads.
        out: file of the repaired counter.
        overrides: as `--set` takes them.
        seed: of every random choice.
        force: save a repair that counts clean images worse, too.
        scale: both sides of the pictures that the repair trains on are multiplied by this; None for 1, or for what the
            budget has room for.
        budget: seconds that all of it may take; scale and steps are picked by two steps that are timed.
        say: takes lines on what will be done, before it is.

    Raises:
        InputError: the file is no counter, the crowds are not usable or too few, an override does not fit or has no
            effect, the budget is too small, or `out` cannot be written.
        RunError: see `countguard.training.fit`; or a counter gives no finite number.
        Interrupted: by Ctrl-C.
    """
    began = time.monotonic()
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
    if budget is not None and not isinstance(defense, Training):
        raise InputError(f"--budget: {defense.name} has no steps to be counted; leave it out")
    if not count_crowds(counter.to(device), held_back[:1]).isfinite().all():
        raise InputError(f"{path}: {DAMAGED}")
    with kept_work(out, _command(path, recipe.data, defense, seed, scale, budget)) as kept:
        machine = machine_for(recipe.machine)
        planner = Planner(counter, crowds, held_back, defense, seed, machine)
        used = len(planner.used)
        say(f"repair: {defense.name} with {plural(used, 'clean image')}; {len(held_back)} others show before and after")
        choice = _chosen(planner, scale, budget, kept.journal, say)
        before = _before(planner, kept.journal, str(path))
        trained = defense
        if isinstance(defense, Training) and choice.steps != planner.steps:
            trained = defense.model_copy(update={"steps": choice.steps})
        left = None if budget is None else max(1.0, budget - choice.looks / 2 - (time.monotonic() - began))
        started, epochs, heard = time.monotonic(), math.ceil(choice.steps / planner.an_epoch), 0
        with epochs_shown(trained, epochs) as shown:

            def report(epoch: int, loss: float) -> None:
                nonlocal heard
                heard += 1
                shown(epoch, loss)

            history = trained.repair(
                counter.cpu(),
                crowds if choice.scale == 1 else Resident(Rescaled(crowds, choice.scale)),
                seed=seed,
                machine=machine,
                report=report,
                folder=kept.folder,
                seconds=left,
            )
        spent = time.monotonic() - started + (_seconds_before(history, heard) if heard else 0.0)
        stopped = left is not None and (len(history.rows) < epochs or spent >= left)
        repair = Repair(
            counter=path,
            out=out,
            kind=counter.kind,
            data=clean.name,
            defense=trained.model_dump(mode="json"),
            trained_on=used,
            measured_on=len(held_back),
            before=before,
            after=look_at_clean(counter.to(device), held_back, seed, "the repaired counter"),
            seed=seed,
            choice=choice,
            seconds=time.monotonic() - began,
            device=str(device),
            stopped=stopped,
            shown=_shown(held_back[0], seed),
        )
        if repair.worse and not force:
            return replace(repair, written=False)  # what is kept stays, so that --force need not repeat it
        guard = Guard(load_counter(path, device), counter).calibrate(held_back)
        save_counter(counter, out)
        write_calibration(guard, path, out)
        kept.done = True
        return replace(repair, guard=guard)


def _seconds_before(history: History, heard: int) -> float:
    """Seconds of the epochs that were trained before the command was interrupted, all but the last `heard`."""
    return sum(row["seconds"] for row in history.rows[: len(history.rows) - heard])


def _command(
    path: Path, data: Source, defense: Defense, seed: int, scale: float | None, budget: float | None
) -> dict[str, JsonValue]:
    """All that a repair depends on."""
    return {
        "verb": "defend",
        "version": __version__,
        "COUNTER": sha256_of(fetched(path)[0]),
        "--clean": data.model_dump(mode="json"),
        "defenses": {"kind": defense.name, **defense.model_dump(mode="json")},
        "--seed": seed,
        "--scale": scale,
        "--budget": budget,
    }


def _chosen(
    planner: Planner, scale: float | None, budget: float | None, journal: Journal, say: Callable[[str], None]
) -> Choice:
    """Scale and steps: those of the interrupted command, or what was asked for, or what the budget has room for."""
    if (known := journal.get("choice")) is not None:
        try:
            choice = _CHOICE.validate_python(known)
        except ValidationError:
            raise InputError(f"{journal.path}: is damaged; delete its folder, and the repair starts anew") from None
        say(f"going on: {choice.steps:,} steps at scale {choice.scale:g} in all")
        return choice
    wanted = 1.0 if scale is None else scale
    if not isinstance(planner.defense, Training):
        choice = planner.whole(wanted, None)
        in_words(choice, (), say)
    else:
        smaller = [other for other in SCALES if other < wanted]
        pace = planner.pace([wanted])
        choice = planner.whole(wanted, pace)
        if budget is not None or (choice.seconds or 0) > SHORT:
            pace = Pace({**pace.step, **planner.pace(smaller).step}, pace.looks)
        if budget is not None:
            choice = planner.within(budget, [wanted] if scale is not None else [wanted, *smaller], pace)
            in_words(choice, (), say)
        else:
            in_words(choice, [planner.whole(other, pace) for other in smaller if other in pace.step], say)
    journal.add("choice", asdict(choice))
    return choice


def _before(planner: Planner, journal: Journal, name: str) -> Measures:
    """What the counter says of the held-back images before the repair."""
    if (known := journal.get("before")) is not None:
        try:
            return Measures.from_json(known)
        except ValueError:
            raise InputError(f"{journal.path}: is damaged; delete its folder, and the repair starts anew") from None
    before = look_at_clean(planner.counter, planner.held_back, planner.seed, name)
    journal.add("before", before.as_json())
    return before


def _shown(crowd: Crowd, seed: int) -> dict[str, Tensor]:
    """A picture as it is and under each probe, for the page."""
    marked = {name: trigger.mark(crowd.image[None], [crowd], seed)[0] for name, trigger in PROBES.items()}
    return {"as it is": crowd.image, **marked}
