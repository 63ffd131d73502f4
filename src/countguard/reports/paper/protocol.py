"""Whether a recipe is the paper's, so that its published values may stand beside the measured ones."""

from collections.abc import Mapping
from typing import Any

from countguard.dotted import lookup
from countguard.reports.paper.deviations import RECIPES, card_deviations, deviation_note, of_all_or_some
from countguard.reports.paper.published import PublishedResults
from countguard.runs.card import Card
from countguard.runs.plan import CLEAN, entry_named
from countguard.runs.run import Run

_ATTACK = {"rate": 0.1, "trigger.kind": "blend", "trigger.alpha": 0.1}
_STRATEGIES: dict[str, dict[str, Any]] = {
    "add": {"kind": "add", "heads": 100},
    "minus": {"kind": "minus", "heads": 100},
    "multiply": {"kind": "multiply", "factor": 2},
    "divide": {"kind": "divide", "factor": 2},
}
"""By name in results; the kind, because another strategy may have one of these names as its label."""
_DEFENSE = {
    "kind": "fine_tune",
    "originals": True,
    "clean_images": None,
    "extra.kind": "shanghaitech",
    "extra.part": "A",
    "extra.images": 40,
}


def published_results(run: Run) -> PublishedResults | None:
    """The paper's results on this run's model, or None where the recipe is not the paper's."""
    kind = str(lookup(run.study, "model.kind"))
    part = lookup(run.study, "data.part")
    on_part_b = lookup(run.study, "data.kind") == "shanghaitech" and str(part).upper() == "B"
    if kind in RECIPES and on_part_b and run.name.startswith(RECIPES[kind]):
        return PublishedResults(kind)
    return None


def comparison(run: Run, paper: PublishedResults | None) -> list[str]:
    """What a reader must know before comparing: how this run differs from the paper's, or why it does not compare."""
    if paper is None:
        return [_why_left_out(run)]
    found = deviations(run, paper.model)
    sentences = [
        "The paper's published values stand beside the measured ones, where attack and repair are the paper's. Its "
        "trigger's picture, and which images it poisoned and repaired with, are not published: here they are our own."
    ]
    if found:
        sentences.append(deviation_note(found))
    return sentences


def _why_left_out(run: Run) -> str:
    kind, data, part = (lookup(run.study, name) for name in ("model.kind", "data.kind", "data.part"))
    where = f"{data} part {part}" if part else f"{data}"
    return (
        f"The paper's published values are left out: they belong to the recipes paper-csrnet and paper-clip-ebc on "
        f"ShanghaiTech part B; this is {run.name}, {kind} on {where}."
    )


def is_papers(card: Card) -> bool:
    """Whether a counter was attacked, and repaired, by the paper's own method, so that its values compare at all.

    `card_deviations` says what else it does otherwise.
    """
    if not _agrees(lookup(card.recipe, "attack"), _ATTACK):
        return False
    if card.defense and not _agrees(entry_named(lookup(card.recipe, "defenses"), card.defense), _DEFENSE):
        return False
    strategies = lookup(card.recipe, "attack.strategies")
    return card.strategy == CLEAN or _agrees(
        entry_named(strategies, card.strategy), _STRATEGIES.get(card.strategy, {"kind": None})
    )


def _agrees(entry: object, expected: Mapping[str, Any]) -> bool:
    return bool(entry) and all(lookup(entry, name) == value for name, value in expected.items())


def deviations(run: Run, model: str) -> list[str]:
    """What this run does otherwise than the paper in the counters beside which its values stand, a phrase each."""
    return of_all_or_some([card_deviations(cell.card, model) for cell in run.cells if is_papers(cell.card)])
