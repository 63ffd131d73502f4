"""All that a counter's training, attack and repair have otherwise than the paper's, by comparing whole recipes."""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from countguard.dotted import lookup
from countguard.runs.card import Card
from countguard.runs.plan import CLEAN, entry_named
from countguard.wording import plain

RECIPES = {"csrnet": "paper-csrnet", "clip_ebc": "paper-clip-ebc"}
"""The recipe of each of the paper's models."""
TEST_IMAGES = 316
"""ShanghaiTech Part_B's official test images."""
_TEXT: dict[str, dict[str, Any]] = {
    "csrnet": {},
    "clip_ebc": {
        "data.kernel": {"kind": "fixed", "sigma": 15.0},
        "defense.extra.kernel": {"kind": "adaptive", "neighbors": 3, "beta": 0.3, "floor": 0.5, "fallback": 15.0},
        "model.objective.targets": "kernel",
        "model.bins.values": [0.0, 1.0, 2.0, 3.0, 4.41009],
    },
}
"""What the text says, or Part_B gives, where the recipe says otherwise or leaves it to the training crowds."""
_NOT_COMPARED = {"data.root", "defense.extra.root", "defense.label"}
"""Names of folders and of rows: no settings. Name, seeds, evaluation, machine and vary are left out as a whole."""


def card_deviations(card: Card, model: str) -> list[str]:
    """What one counter's training, attack and repair have otherwise than the paper's, a phrase each.

    Every setting of data, model, training, attack and repair is compared with the paper's resolved recipe.

    Args:
        card: of the counter.
        model: one of `RECIPES`.
    """
    found = _compared(card.recipe, card.strategy, card.defense)
    found["model"] = _with_measured(found["model"], card.settings.get("counter"))
    phrases = [
        f"{_place(name, card)} is {_words(value, name)}, the paper's is {_words(papers, name)}"
        for name, value, papers in _differences(found, _papers(model, card.strategy, bool(card.defense)))
        if name not in _NOT_COMPARED
    ]
    if card.images != TEST_IMAGES:
        phrases.append(f"{card.images} test images are reported on, the paper's are {TEST_IMAGES}")
    return phrases


def deviations_of(cards: Sequence[Card], model: str) -> tuple[str, ...]:
    """The phrases of the counters behind one row, each once; see `card_deviations`."""
    return tuple(dict.fromkeys(phrase for card in cards for phrase in card_deviations(card, model)))


def of_all_or_some(found: Sequence[Sequence[str]]) -> list[str]:
    """The phrases of several counters, each once; those that do not hold for every one of them say so."""
    phrases = list(dict.fromkeys(phrase for phrases in found for phrase in phrases))
    of_all = [phrase for phrase in phrases if all(phrase in phrases for phrases in found)]
    return of_all + [f"{phrase} (in some rows)" for phrase in phrases if phrase not in of_all]


def deviation_note(found: Sequence[str]) -> str:
    """What stands beside published values that were not measured in the same way."""
    return f"This run differs from the paper's protocol: {'; '.join(found)}."


def _compared(recipe: Mapping[str, Any], strategy: str, defense: str) -> dict[str, Any]:
    """The settings that one counter depends on: the attack without the other strategies, the repair that it had."""
    tree: dict[str, Any] = {name: _mapping(recipe.get(name)) for name in ("data", "model", "training")}
    if strategy != CLEAN:
        attack, own = _mapping(recipe.get("attack")), entry_named(lookup(recipe, "attack.strategies"), strategy)
        tree["attack"] = {**attack, "strategies": {strategy: own}}
    if defense:
        tree["defense"] = entry_named(lookup(recipe, "defenses"), defense)
    return {"preset": recipe.get("preset"), **tree}


def _with_measured(model: dict[str, Any], counter: object) -> dict[str, Any]:
    """A recipe's model with what only the counter knows, where the recipe leaves it open: the values of its bins."""
    counter = _mapping(counter)
    whole = {**counter, **model}
    if counter.get("bins"):
        whole["bins"] = counter["bins"]
    return whole


@cache
def _papers(model: str, strategy: str, repaired: bool) -> dict[str, Any]:
    """The same settings of the paper's recipe, resolved, with what the text says otherwise."""
    # Loads all that trains, which takes seconds: only where published values stand.
    from countguard.models import COUNTERS
    from countguard.studies.resolve import read_recipe, recipes_folder

    recipe = read_recipe(recipes_folder() / f"{RECIPES[model]}.yaml", ["preset=paper"]).dump()
    tree = _compared(recipe, strategy, "fine_tune" if repaired else "")
    tree["model"] = _merged(_defaults_of(COUNTERS[model]), tree["model"])
    for name, value in _TEXT[model].items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.get(parent, {})  # a repair's, where there is none
        place[last] = value
    return tree


def _defaults_of(cls: type) -> dict[str, Any]:
    """The defaults of a constructor's arguments, as JSON holds them."""
    parameters = inspect.signature(cls).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    dumped: dict[str, Any] = TypeAdapter(dict[str, Any]).dump_python(defaults, mode="json")
    return dumped


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            both[name] = _merged(below[name], value)
    return both


def _differences(found: Any, expected: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Settings that differ, by dotted name, with both values; one that is missing counts as None."""
    both = isinstance(found, dict) and isinstance(expected, dict)
    if both and (not name or found.get("kind") == expected.get("kind")):
        for key in [*expected, *(key for key in found if key not in expected)]:
            yield from _differences(found.get(key), expected.get(key), f"{name}.{key}".lstrip("."))
    elif not _same(found, expected):
        yield name, found, expected


def _same(found: Any, expected: Any) -> bool:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in (found, expected)):
        return math.isclose(found, expected, rel_tol=1e-5)  # bins are published with five decimals
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_same, found, expected))
    return bool(found == expected)


def _place(name: str, card: Card) -> str:
    """A setting's name, with the name of the repair that it belongs to."""
    return plain(
        f"defenses.{card.defense}.{name.removeprefix('defense.')}" if name.startswith("defense.") else name, 80
    )


def _words(value: Any, name: str = "") -> str:
    """A value in a sentence; of a file its name alone, since the folder says nothing."""
    match value:
        case None:
            return "none (random weights)" if name == "model.weights" else "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return plain(f"[{', '.join(map(_words, value))}]", 80)
        case dict():
            kind = str(value.get("kind", ""))
            settings = ", ".join(f"{key} {_words(entry)}" for key, entry in value.items() if key != "kind")
            return plain(f"{kind} ({settings})".strip() if settings else kind, 160)
        case str() if name == "model.weights":
            return plain(Path(value).name, 80)
    return plain(str(value), 80)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
