"""The recipe that stands behind a verb which an operator gives no recipe."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import JsonValue

from countguard.data.source import Source
from countguard.defenses.random_blend import RandomBlend
from countguard.dotted import overridden
from countguard.errors import InputError
from countguard.studies.presets import Raw
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import recipe_from

_USED = {
    "train": ("seeds", "data", "model", "training", "machine"),
    "defend": ("data", "defenses", "machine"),
}
"""The settings that each verb reads; one that changes none of them would be ignored without a word."""


def operator_recipe(
    data: Source,
    kind: str,
    overrides: Sequence[str] = (),
    *,
    verb: Literal["train", "defend"] = "train",
    images: int = 40,
    **model: JsonValue,
) -> Recipe:
    """A recipe for one counter without an attack: the defaults of the steady preset for its kind, and overrides.

    Args:
        data: crowds with points.
        kind: of the counter.
        overrides: as `--set` takes them.
        verb: what is done with it.
        images: how many a repair has.
        model: further settings of the counter, `weights` among them.

    Raises:
        InputError: an override is no setting, does not fit, or has no effect.
    """
    raw: Raw = {
        "name": "operator",
        "preset": "steady",
        "data": data.model_dump(mode="json"),
        "model": {"kind": kind, **model},
        "attack": {"strategies": []},
        "training": {},
        "defenses": [RandomBlend.recommended(kind, images)],
    }
    recipe = recipe_from(overridden(raw, overrides, "--set"), "--set")
    for override in overrides:
        others = [other for other in overrides if other is not override]
        try:
            without = recipe_from(overridden(raw, others, "--set"), "--set")
        except InputError:  # it makes the others possible
            continue
        if without.dump() != recipe.dump() and _used(without, verb) == _used(recipe, verb):
            used = "" if override.partition(".")[0] in _USED[verb] else f", which uses {', '.join(_USED[verb])} alone"
            raise InputError(f"--set {override}: has no effect on {verb}{used}")
    return recipe


def _used(recipe: Recipe, verb: str) -> dict[str, Any]:
    settings = recipe.dump()
    tested = verb == "train" and recipe.training.select == "best_test_as_published"
    unused = () if tested else recipe.data.unused("training")
    settings["data"] = {name: value for name, value in settings["data"].items() if name not in unused}
    return {name: settings[name] for name in _USED[verb]}
