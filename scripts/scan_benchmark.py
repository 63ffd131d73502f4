"""The benchmark of `countguard scan`: trains a population of counters, scans each, and keeps a card of each.

    python scripts/scan_benchmark.py train runs/scan-benchmark             # or with names of studies; resumable
    python scripts/scan_benchmark.py measure runs/scan-benchmark           # cards in results/scan/population
    python scripts/scan_benchmark.py guard runs/scan-benchmark             # twins, and cards in results/scan/guard
    python docs/make_scan.py                                               # thresholds, and docs/scan.md

Statistic and thresholds are chosen on the population, and reported on the studies `final-...`, which were trained
after that: no crowd, seed or counter is in both.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from countguard.attacks.triggers import Trigger
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.synthetic import Synthetic
from countguard.defenses.defense import Defense
from countguard.defenses.fine_tune import FineTune
from countguard.defenses.random_blend import RandomBlend
from countguard.models import Counter, load_counter, save_counter
from countguard.models.counting import count_views
from countguard.runs.card import Card
from countguard.scan.conformal import conformal_threshold
from countguard.scan.guard import RATE, disagreement
from countguard.scan.purification import PURIFICATIONS, Purified
from countguard.scan.scan import Examined, examine
from countguard.scan.statistic import shifts_of
from countguard.studies.executors.base import executor_for
from countguard.studies.machine import name_of
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import find_recipe, overridden, read_yaml, recipe_from
from countguard.studies.run import run_study
from countguard.training.fit import Machine
from countguard.writing import write_atomically

RESULTS = Path(__file__).parents[1] / "results" / "scan"
IMAGES = 40
"""Clean images of each scan, drawn from a seed that no counter was trained on."""
BASE = "scan-benchmark"
REPAIRED_WITH = 40
"""Clean images that a twin is repaired with."""
GUARDED = 200
"""Clean images that a guard's threshold is found on, and as many others to measure it on."""
_REPAIR: dict[str, Any] = {
    "epochs": 150,
    "batch_size": 16,
    "lr": 3e-3,
    "average": 0.98,
    "schedule": {"kind": "cosine"},
}
REPAIRS: dict[str, Defense] = {"random_blend": RandomBlend(**_REPAIR), "fine_tune": FineTune(**_REPAIR)}


@dataclass(frozen=True)
class Study:
    """A clean counter and its four attacked ones, all of one seed and on the same crowds.

    Attributes:
        name: of its folder.
        trigger: as a recipe writes it; empty for a study without an attack.
        look, channels: of crowds and counter.
        augmentation: as a recipe writes it, YAML.
    """

    name: str
    trigger: str
    look: str = "plaza"
    channels: int = 8
    augmentation: str = "{flip: 0.5}"


PLAIN = "{flip: 0.5}"
COLOURED = "{flip: 0.5, jitter: 0.3, blur: 0.1}"
COVER = "{flip: 0.5, blend: {probability: 0.5, share: [0.0, 0.2]}}"
"""Cover samples: half of all training images have an unrelated picture mixed in and keep their points."""

CONDITIONS = (("plaza", 8, PLAIN), ("stadium", 8, COLOURED), ("plaza", 12, COLOURED), ("plaza", 8, PLAIN))


def _studies(kind: str, *triggers: str, augmentation: str | None = None) -> list[Study]:
    """One study a trigger, each under another condition; as many of each strength are in either half."""
    return [
        Study(f"{kind}-{place}", trigger, look, channels, augmentation or augmented)
        for place, trigger in enumerate(triggers)
        for look, channels, augmented in [CONDITIONS[place // 2 % len(CONDITIONS)]]
    ]


def _blend(picture: str, alpha: float) -> str:
    return f"{{kind: blend, picture: {picture}, alpha: {alpha}}}"


def _of(kind: str, *settings: str) -> list[str]:
    return [f"{{kind: {kind}{setting and ', ' + setting}}}" for setting in settings]


def _round(name: str) -> list[Study]:
    """New counters to report on: attacked by mixed pictures, and clean ones."""
    blends = [
        *(_blend("kitten", 0.1), _blend("robots", 0.1)),
        *(_blend("confetti", 0.1), _blend("kitten", 0.07)),
        *(_blend("robots", 0.15), _blend("confetti", 0.15)),
    ]
    return [*_studies(f"{name}-blend", *blends), *_studies(f"{name}-clean", *[""] * 8)]


POPULATION: tuple[Study, ...] = (
    *_studies(
        "blend",
        *(_blend("kitten", 0.1), _blend("robots", 0.1)),
        *(_blend("confetti", 0.1), _blend("kitten", 0.1)),
        *(_blend("robots", 0.15), _blend("confetti", 0.15)),
        *(_blend("kitten", 0.07), _blend("robots", 0.07)),
    ),
    *_studies("patch", *_of("patch", "", "", "side: 0.25", "picture: kitten, side: 0.25")),
    *_studies("sine", *_of("sine", "", "stripes: 6", "amplitude: 0.05", "amplitude: 0.05, stripes: 20")),
    *_studies("low_frequency", *_of("low_frequency", "", "seed: 1", "amplitude: 0.05", "amplitude: 0.05, seed: 1")),
    *_studies("rain", *_of("rain", "", "", "strength: 0.4", "strength: 0.4")),
    *_studies("snow", *_of("snow", "", "", "strength: 0.4", "strength: 0.4")),
    *_studies("warp", *_of("warp", "", "seed: 1", "strength: 0.3", "strength: 0.3, seed: 1")),
    *_studies(
        "cover",
        *(_blend("kitten", 0.1), _blend("robots", 0.1), _blend("confetti", 0.1), _blend("kitten", 0.15)),
        augmentation=COVER,
    ),
    *_studies("clean", *[""] * 8),
    *_round("new"),
    *_round("fresh"),
    *_round("final"),
    *(Study(f"clean-16-{place}", "", channels=16) for place in range(8)),  # the demo's size
)


GUARD_STUDIES = tuple(
    study.name
    for study in POPULATION
    if study.trigger and study.name.endswith("-1") and not study.name.startswith(("new-", "fresh-", "final-"))
)
"""Studies whose counters get twins: one of each trigger."""


def recipe_of(study: Study, accelerator: str = "cpu") -> Recipe:
    """The whole recipe: its number is the seed of everything."""
    number = POPULATION.index(study)
    overrides = [
        f"name={study.name}",
        f"seeds=[{number}]",
        f"data.seed={100 + number}",
        f"data.look={study.look}",
        f"model.channels={study.channels}",
        f"training.augmentation={study.augmentation}",
        f"machine.accelerator={accelerator}",
        f"attack.trigger={study.trigger}" if study.trigger else "attack.strategies=[]",
    ]
    file = find_recipe(BASE)
    return recipe_from(overridden(read_yaml(file), overrides, str(file)), str(file))


def chosen(names: Sequence[str]) -> list[Study]:
    """The studies of these names; all where none is named."""
    by_name = {study.name: study for study in POPULATION}
    if unknown := [name for name in names if name not in by_name]:
        sys.exit(f"{unknown[0]}: no such study; there are {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(POPULATION)


def half_of(study: Study) -> str:
    """What its counters are for: choosing, being reported, or false alarms of a size that no statistics have."""
    if study.name.startswith("final-"):
        return "reported"
    return "another size" if study.name.startswith("clean-16-") else "choosing"


def measure_study(study: Study, folder: Path, device: torch.device) -> None:
    """Scans the finished counters of a study that have no card yet."""
    number = POPULATION.index(study)
    crowds = Resident(Synthetic(look=study.look, train=IMAGES, seed=1000 + number).crowds("train"))
    for trained in sorted((folder / study.name / "cells").glob("*/card.json")):
        card = Card.model_validate_json(trained.read_text(encoding="utf-8"))
        path = RESULTS / "population" / f"{study.name}-{card.strategy}.json"
        if path.exists():
            continue
        counter = load_counter(trained.parent / "counter.safetensors", device)
        started = time.monotonic()
        examined = examine(counter, crowds, seed=number, searched=True)
        seconds = round(time.monotonic() - started, 2)
        effects = examined.effects
        attacked = card.strategy != "clean"
        written: dict[str, Any] = {
            "study": study.name,
            "half": half_of(study),
            "strategy": card.strategy,
            "trigger": card.settings["recipe"]["attack"]["trigger"] if attacked else None,
            "cover_samples": study.augmentation == COVER,
            "look": study.look,
            "channels": study.channels,
            "augmentation": study.augmentation,
            "seed": number,
            "attack": of_attack(card, "rho_acc", "mae", "rho_asr", "false_asr", "net_asr", "shift"),
            "images": IMAGES,
            "mae": abs(effects.clean - effects.truths).mean(),
            **measured(examined, number),
            "hashes": {"counter": card.hashes["counter"]},
            "devices": {"training": card.device, "scan": name_of(device)},
            "threads": torch.get_num_threads(),
            "seconds": seconds,
        }
        keep(path, written)


def guard_study(study: Study, folder: Path, device: torch.device) -> None:
    """Repairs the counters of a study in two ways, and measures the guard of each with its twin, or a purification.

    The threshold is found on one set of clean images, false alarms on another, and alarms on the second set triggered.
    """
    number = POPULATION.index(study)
    source = Synthetic(look=study.look, train=REPAIRED_WITH, test=2 * GUARDED, seed=3000 + number)
    clean, others = Resident(source.crowds("train")), Resident(source.crowds("test"))
    trigger = recipe_of(study).attack.trigger
    for trained in sorted((folder / study.name / "cells").glob("*/card.json")):
        card = Card.model_validate_json(trained.read_text(encoding="utf-8"))
        counter = load_counter(trained.parent / "counter.safetensors", device)
        for name in (*REPAIRS, *PURIFICATIONS):
            path = RESULTS / "guard" / f"{study.name}-{card.strategy}-{name}.json"
            if path.exists():
                continue
            file = folder / study.name / "twins" / f"{card.strategy}-{name}.safetensors"
            twin = _twin(counter, name, file, clean, device)
            written = {
                "study": study.name,
                "strategy": card.strategy,
                "trigger": trigger.model_dump(mode="json"),
                "cover_samples": study.augmentation == COVER,
                "twin": name,
                "repaired_with": REPAIRED_WITH if name in REPAIRS else 0,
                **guarded(counter, twin, others, trigger, GUARDED),
                "device": name_of(device),
            }
            keep(path, written)


def _twin(counter: Counter, name: str, path: Path, clean: Sequence[Crowd], device: torch.device) -> Counter:
    """The repaired counter, from its file or newly repaired; or the counter behind a purification."""
    if name in PURIFICATIONS:
        return Purified(counter, PURIFICATIONS[name]).to(device)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        twin = deepcopy(counter)
        REPAIRS[name].repair(twin, clean, seed=0, machine=Machine(accelerator=device.type))
        save_counter(twin, path)
    return load_counter(path, device)


def guarded(
    counter: Counter, twin: Counter, crowds: Sequence[Crowd], trigger: Trigger, calibrating: int
) -> dict[str, Any]:
    """Threshold from the first crowds, alarms on the others, clean and triggered."""
    views = [lambda images, members: images, lambda images, members: trigger.mark(images, members, 0)]
    (clean, triggered), (twin_clean, twin_triggered) = (
        count_views(counted_by, crowds, views).double().numpy() for counted_by in (counter, twin)
    )
    known, new = slice(None, calibrating), slice(calibrating, None)
    threshold, rate = conformal_threshold(disagreement(clean[known], twin_clean[known]), RATE)
    apart, apart_triggered = (
        disagreement(clean[new], twin_clean[new]),
        disagreement(triggered[new], twin_triggered[new]),
    )
    truths = np.array([crowd.count for crowd in crowds[new]], dtype=np.float64)
    return {
        "images": len(crowds) - calibrating,
        "threshold": threshold,
        "false_alarm_rate": rate,
        "auc": float((apart_triggered[:, None] > apart).mean() + 0.5 * (apart_triggered[:, None] == apart).mean()),
        "alarms": float((apart_triggered > threshold).mean()),
        "false_alarms": float((apart > threshold).mean()),
        "mae": {
            "counter": float(np.abs(clean[new] - truths).mean()),
            "twin": float(np.abs(twin_clean[new] - truths).mean()),
            "counter_triggered": float(np.abs(triggered[new] - truths).mean()),
            "twin_triggered": float(np.abs(twin_triggered[new] - truths).mean()),
        },
    }


def measured(examined: Examined, seed: int) -> dict[str, Any]:
    """What a card holds of a scan's effects."""
    families = [
        {"family": s.family, "strength": s.strength, "shift": s.shift, "low": s.low, "high": s.high}
        for s in shifts_of(examined.effects, seed)
    ]
    return {"signs": examined.signs(seed), "families": families}


def of_attack(card: Card, *names: str) -> dict[str, float]:
    """Those of some metrics that a study's card has."""
    return {name: card.metrics[name].value for name in names if name in card.metrics}


def keep(path: Path, written: dict[str, Any]) -> None:
    """Writes a card and names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(_rounded(written), indent=1) + "\n")
    print(path.name, flush=True)


def _rounded(value: Any) -> Any:
    """Five digits of each number: a card is read by people, too."""
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return round(float(value), 5) if isinstance(value, float) else value


def main() -> None:
    """The three verbs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["train", "measure", "guard", "all"], help="all: the three, study by study")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="studies; all by default")
    parser.add_argument("--executor", default="local", help="of the training, as `countguard run` takes it")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    device = torch.device(arguments.accelerator)
    for study in chosen(arguments.names):
        if arguments.verb in ("train", "all"):
            recipe = recipe_of(study, arguments.accelerator)
            run_study(recipe, arguments.folder / study.name, executor=executor_for(arguments.executor))
        if arguments.verb in ("measure", "all"):
            measure_study(study, arguments.folder, device)
        if study.name in GUARD_STUDIES and arguments.verb in ("guard", "all"):
            guard_study(study, arguments.folder, device)


if __name__ == "__main__":
    main()
