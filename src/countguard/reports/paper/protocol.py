"""Whether a recipe is the paper's, so that its published values may stand beside the measured ones."""

from collections.abc import Mapping
from typing import Any

from countguard.dotted import lookup
from countguard.reports.paper.published import PublishedResults
from countguard.runs.plan import CLEAN, entry_name
from countguard.runs.run import FinishedCell, Run

_NAMES = {"csrnet": "paper-csrnet", "clip_ebc": "paper-clip-ebc"}
_ATTACK = {"attack.rate": 0.1, "attack.trigger.kind": "blend", "attack.trigger.alpha": 0.1}
_STRATEGIES = {"add": {"heads": 100}, "minus": {"heads": 100}, "multiply": {"factor": 2}, "divide": {"factor": 2}}
_DEFENSE = {
    "kind": "fine_tune",
    "originals": True,
    "clean_images": None,
    "extra.kind": "shanghaitech",
    "extra.part": "A",
    "extra.images": 40,
}
_PROTOCOL = {
    "csrnet": {"training.epochs": 100, "training.lr": 1e-5},
    "clip_ebc": {"training.epochs": 150, "training.lr": 4e-4},
}
_SHARED_PROTOCOL = {
    "preset": "paper",
    "data.split.kind": "official",
    "data.images": None,
    "data.test_images": None,
    "data.scale": 1.0,
}


def published_results(run: Run) -> PublishedResults | None:
    """The paper's results on this run's model, or None where the recipe is not the paper's."""
    kind = str(lookup(run.study, "model.kind"))
    part = lookup(run.study, "data.part")
    on_part_b = lookup(run.study, "data.kind") == "shanghaitech" and str(part).upper() == "B"
    if kind in _NAMES and on_part_b and run.name.startswith(_NAMES[kind]):
        return PublishedResults(kind)
    return None


def comparison(run: Run, paper: PublishedResults | None) -> list[str]:
    """What a reader must know before comparing: how this run differs from the paper's, or why it does not compare."""
    if paper is None:
        return [_why_left_out(run)]
    found = deviations(run, paper.model)
    sentences = [
        "The paper's published values stand beside the measured ones, where attack and repair are the paper's."
    ]
    if found:
        sentences.append(f"This run differs from the paper's protocol: {'; '.join(found)}.")
    return sentences


def _why_left_out(run: Run) -> str:
    kind, data, part = (lookup(run.study, name) for name in ("model.kind", "data.kind", "data.part"))
    where = f"{data} part {part}" if part else f"{data}"
    return (
        f"The paper's published values are left out: they belong to the recipes paper-csrnet and paper-clip-ebc on "
        f"ShanghaiTech part B; this is {run.name}, {kind} on {where}."
    )


def is_papers(cell: FinishedCell) -> bool:
    """Whether a counter was attacked, and repaired, with the paper's own settings, so that its values compare."""
    recipe, card = cell.card.recipe, cell.card
    if _differences(recipe, _ATTACK):
        return False
    if card.defense and not _agrees(lookup(recipe, "defenses"), card.defense, _DEFENSE):
        return False
    return card.strategy == CLEAN or _agrees(
        lookup(recipe, "attack.strategies"), card.strategy, _STRATEGIES.get(card.strategy, {"kind": None})
    )


def _agrees(entries: Any, name: str, expected: Mapping[str, Any]) -> bool:
    """Whether the entry of that name has the expected settings."""
    found = [entry for entry in entries if entry_name(entry) == name] if isinstance(entries, list) else []
    return bool(found) and not _differences(found[0], expected)


def deviations(run: Run, model: str) -> list[str]:
    """What this run does otherwise than the paper, a phrase each; the reader compares with that in mind."""
    differences = _differences(run.study, _SHARED_PROTOCOL | _PROTOCOL[model] | _ATTACK)
    return [f"{name} is {found}, the paper's is {expected}" for name, (found, expected) in differences.items()]


def _differences(recipe: dict[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    found = {name: lookup(recipe, name) for name in expected}
    return {name: (found[name], value) for name, value in expected.items() if found[name] != value}
