"""Settings in nested mappings by their dotted names, such as `attack.trigger.alpha` or `defenses.*.epochs`."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import yaml
from pydantic import JsonValue

from countguard.errors import InputError
from countguard.yaml_text import load_yaml


def lookup(recipe: object, dotted: str) -> Any:
    """The value at a dotted name such as `attack.trigger.alpha` or `defenses.0.epochs`; None where there is none."""
    for part in dotted.split("."):
        if isinstance(recipe, list) and part.isdecimal() and int(part) < len(recipe):
            recipe = recipe[int(part)]
        else:
            recipe = recipe.get(part) if isinstance(recipe, dict) else None
    return recipe


def overridden(raw: dict[str, Any], overrides: Sequence[str], where: str) -> dict[str, Any]:
    """A raw recipe with overrides applied; `where` names the recipe in errors.

    Raises:
        InputError: an override is no `dotted.name=value`, there is no such place, or one is set twice.
    """
    raw = deepcopy(raw)
    given: set[str] = set()
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}: write it as dotted.name=value")
        if name.strip() in given:
            raise InputError(f"--set {override}: {name.strip()} is set twice")
        given.add(name.strip())
        try:
            set_dotted(raw, name.strip(), load_yaml(value))
        except yaml.YAMLError as error:
            why = " ".join(str(error).split())[:160]
            raise InputError(f"--set {override}: {value!r} is no YAML value ({why})") from None
        except (KeyError, IndexError, ValueError, TypeError):
            raise InputError(f"--set {override}: {where} has no place called {name.strip() or 'nothing'}") from None
    return raw


def set_dotted(raw: Any, name: str, value: JsonValue) -> None:
    """Sets a nested entry by its dotted name, and makes the mappings above it if they are missing.

    In a list, a number is a position, and `*` stands for all positions: `defenses.*.clean_images`.

    Raises:
        KeyError, IndexError, ValueError, TypeError: there is no such place.
    """
    *parents, last = name.split(".")
    holders = [raw]
    for part in parents:
        holders = [
            holder[place] if isinstance(holder, list) else holder.setdefault(place, {})
            for holder in holders
            for place in _places(holder, part)
        ]
    places = [(holder, place) for holder in holders for place in _places(holder, last)]
    if not places or not last:
        raise KeyError(name)
    for holder, place in places:
        holder[place] = deepcopy(value)


def _places(holder: Any, part: str) -> list[Any]:
    """The keys that one part of a dotted name stands for."""
    if isinstance(holder, list):
        return list(range(len(holder))) if part == "*" else [int(part)]
    if isinstance(holder, dict):
        return [part]
    raise KeyError(part)
