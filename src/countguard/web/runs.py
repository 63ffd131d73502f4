"""What the page takes from a run's folder: counters by name, crowds to show, the trigger of the attack."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from countguard.attacks.pictures import PICTURES
from countguard.attacks.triggers import Blend
from countguard.data.synthetic import Synthetic
from countguard.dotted import lookup
from countguard.explain.view import MAX_PIXELS
from countguard.runs.plan import CLEAN, variant_text
from countguard.runs.run import FinishedCell, Run

CROWDS = 12
"""Embedded crowds that are offered."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture to count.

    Attributes:
        image: uint8 [3, H, W].
        truth: number of people; None if it is unknown.
        note: what was done to it before; empty for nothing.
    """

    image: Tensor
    truth: int | None
    note: str = ""


def newest_run(root: Path) -> Path | None:
    """The run below `root` with the newest finished counter; None if there is none."""
    finished = [(card.stat().st_mtime, card.parents[2]) for card in root.glob("*/cells/*/card.json")]
    runs = [(seconds, folder) for seconds, folder in finished if (folder / "study.yaml").is_file()]
    return max(runs)[1] if runs else None


def counters_of(run: Run) -> dict[str, Path]:
    """Files of the finished counters by their names on the page, in the recipe's order."""
    files = {_label(run, cell): cell.folder.counter for cell in run.cells}
    return {label: file for label, file in files.items() if file.is_file()}


def shown_first(run: Run) -> list[str]:
    """The counters that are selected at first: the clean one, the first attacked one, and that one after repair."""
    wanted = [(CLEAN, ""), *((run.strategies[0], defense) for defense in ("", *run.defenses[:1]) if run.strategies)]
    cells = [run.select(run.reference, strategy, defense) for strategy, defense in wanted]
    listed = counters_of(run)
    return [label for label in (_label(run, found[0]) for found in cells if found) if label in listed]


def trigger_of(run: Run | None) -> Blend:
    """The trigger of the run's attack if the page can show it; otherwise the default trigger."""
    try:
        trigger = Blend.model_validate(lookup(run.study, "attack.trigger")) if run else Blend()
    except ValidationError:
        return Blend()
    return trigger if trigger.picture in PICTURES else Blend(alpha=trigger.alpha)


def scenes_of(run: Run | None) -> dict[str, Scene]:
    """Crowds to show: the example images of a run on real pictures, then embedded crowds, those of the run first.

    Raises:
        InputError: the run's examples are damaged.
    """
    embedded = _embedded(run)
    scenes: dict[str, Scene] = {}
    if run and embedded is None:
        for example in next((cell.examples for cell in run.cells if cell.examples), ()):
            scenes[f"{example.id}, {len(example.points)} people"] = Scene(
                torch.from_numpy(example.image), len(example.points)
            )
    crowds = (embedded or Synthetic(test=CROWDS)).crowds("test")
    for place, crowd in enumerate(crowds[:CROWDS], start=1):
        scenes[f"Embedded crowd {place}, {crowd.count} people"] = Scene(crowd.image, crowd.count)
    return scenes


def _embedded(run: Run | None) -> Synthetic | None:
    """The run's own settings of the embedded crowds; None where it is about other pictures, or too large ones."""
    try:
        source = Synthetic.model_validate(lookup(run.study, "data")) if run else None
    except ValidationError:
        return None
    return source if source and source.height * source.width * source.scale**2 <= MAX_PIXELS else None


def _label(run: Run, cell: FinishedCell) -> str:
    card = cell.card
    parts = ["clean counter" if card.strategy == CLEAN else f"attacked: {card.strategy}"]
    if card.stage == "relearned" and not card.defense:
        parts = [f"clean counter, tuned on poisoned images: {card.strategy}"]
    elif card.stage != "attacked":
        parts.append(card.key.done)
    if card.varied:
        parts.append(variant_text(tuple(sorted(card.varied.items()))))
    if len(run.seeds) > 1:
        parts.append(f"seed {card.seed}")
    return ", ".join(parts)
