"""Scans and guards the counters of a study on real crowds, and keeps a card of each in results/scan.

    python scripts/scan_real.py runs/real-timm --data PATH/TO/shanghaitech     # resumable
    python docs/make_scan.py

A scan sees `--images` of those that the study held back. A guard's threshold is found on every second of them; false
alarms and alarms are counted on the others.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from scan_benchmark import RESULTS, guarded, keep, measured, of_attack

from countguard.attacks.triggers import Trigger
from countguard.data.crowd import Crowd
from countguard.models import load_counter
from countguard.models.counting import keep_large_blocks
from countguard.runs.card import Card
from countguard.scan.scan import examine
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.machine import name_of
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import overridden, read_yaml, recipe_from

SEED = 0
"""Of probes: the same ones for all counters, as where a suspect is held against a reference."""


def recipe_of(run: Path, data: Path) -> Recipe:
    """The recipe of a finished study, with the crowds where they are here."""
    file = run / "study.yaml"
    return recipe_from(overridden(read_yaml(file), [f"data.root={data}"], str(file)), str(file))


def trained(run: Path, stage: str) -> list[tuple[Card, Path]]:
    """Cards and files of the run's counters of one stage."""
    found = []
    for path in sorted(run.glob("cells/*/card.json")):
        card = Card.model_validate_json(path.read_text(encoding="utf-8"))
        counter = path.with_name("counter.safetensors")
        if card.stage == stage and counter.exists():
            found.append((card, counter))
    return found


def measure(run: Path, crowds: Sequence[Crowd], model: str) -> None:
    """Scans each counter that is as it was trained."""
    for card, file in trained(run, "attacked"):
        path = RESULTS / "real" / f"{run.name}-{card.cell}.json"
        if path.exists():
            continue
        examined = examine(load_counter(file), crowds, seed=SEED, searched=False)
        written: dict[str, Any] = {
            **_named(run, card, model),
            "attack": of_attack(card, "rho_acc", "mae", "net_asr"),
            "images": len(crowds),
            **measured(examined, SEED),
            "hashes": {"counter": card.hashes["counter"]},
            "devices": {"training": card.device, "scan": name_of(torch.device("cpu"))},
        }
        keep(path, written)


def guard(run: Path, known: Sequence[Crowd], new: Sequence[Crowd], trigger: Trigger, model: str) -> None:
    """Measures each counter with each of its repaired selves."""
    suspects = {(card.strategy, card.seed): file for card, file in trained(run, "attacked")}
    for card, file in trained(run, "repaired"):
        path = RESULTS / "real-guard" / f"{run.name}-{card.cell}.json"
        suspect = suspects.get((card.strategy, card.seed))
        if path.exists() or suspect is None:
            continue
        counter, twin = load_counter(suspect), load_counter(file)
        found = guarded(counter, twin, [*known, *new], trigger, len(known))
        keep(path, {**_named(run, card, model), "twin": card.defense, **found})


def _named(run: Path, card: Card, model: str) -> dict[str, Any]:
    return {"study": run.name, "model": model, "cell": card.cell, "strategy": card.strategy, "seed": card.seed}


def main() -> None:
    """Both measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=20, help="of a scan, 10 or more")
    arguments = parser.parse_args()
    keep_large_blocks()
    recipe = recipe_of(arguments.run, arguments.data)
    held_back = CrowdCache().split(recipe.data).test
    crowds = [held_back[place] for place in range(len(held_back))]
    known, new = crowds[::2], crowds[1::2]
    measure(arguments.run, crowds[:: len(crowds) // arguments.images][: arguments.images], recipe.model.kind)
    guard(arguments.run, known, new, recipe.attack.trigger, recipe.model.kind)


if __name__ == "__main__":
    main()
