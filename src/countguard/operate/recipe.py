"""The recipe that stands behind a verb which an operator gives no recipe."""

from collections.abc import Sequence

from pydantic import JsonValue

from countguard.data.source import Source
from countguard.defenses.random_blend import RandomBlend
from countguard.studies.presets import Raw
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import overridden, recipe_from


def operator_recipe(
    data: Source, kind: str, overrides: Sequence[str] = (), *, images: int = 40, **model: JsonValue
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
        "defenses": [RandomBlend.recommended(kind, images)],
    }
    return recipe_from(overridden(raw, overrides, "--set"), "--set")
