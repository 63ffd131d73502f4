"""Attacks as the command line names them: `rain:strength=0.4,density=0.1`, `minus:50`, `triggers.py:Mine`."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from countguard.attacks.poisoning import Attack
from countguard.attacks.strategies import AnyStrategy, Strategy
from countguard.attacks.triggers import AnyTrigger, Trigger
from countguard.errors import InputError
from countguard.settings import first_error
from countguard.yaml_text import load_yaml

T = TypeVar("T")
_NUMBERS = {
    "add": "heads",
    "minus": "heads",
    "divide": "factor",
    "multiply": "factor",
    "keep": "fraction",
    "scale_density": "factor",
    "double": "jitter",
}


def named_strategy(text: str) -> Strategy:
    """`minus`, `minus:50` with its number, or `KIND:key=value,...`.

    Raises:
        InputError: there is no such strategy, or a setting does not fit.
    """
    kind, _, number = text.partition(":")
    if number.replace(".", "").isdecimal() and kind in _NUMBERS:
        raw: dict[str, Any] = {"kind": kind, _NUMBERS[kind]: number}
    else:
        raw = settings_from(text)
    adapter: TypeAdapter[Strategy] = TypeAdapter(AnyStrategy)
    return _validated(adapter, raw, f"strategy {text}")


def named_trigger(text: str) -> Trigger:
    """`KIND[:key=value,...]`, for example `blend:picture=waves,alpha=0.2`.

    Raises:
        InputError: there is no such trigger, a setting does not fit, or its picture cannot be read.
    """
    adapter: TypeAdapter[Trigger] = TypeAdapter(AnyTrigger)
    trigger = _validated(adapter, settings_from(text), f"trigger {text}")
    trigger.picture_for(64, 64)
    return trigger


def named_attack(strategy: str, trigger: str, rate: float) -> Attack:
    """A whole attack.

    Raises:
        InputError: see `named_strategy` and `named_trigger`; or the rate is not in 0..1.
    """
    try:
        return Attack(trigger=named_trigger(trigger), strategy=named_strategy(strategy), rate=rate)
    except ValidationError as error:
        raise InputError(f"attack: {first_error(error)}") from None


def settings_from(text: str) -> dict[str, Any]:
    """`KIND[:key=value,...]` as a mapping of a recipe; KIND may be `module:Class`, values are YAML.

    Raises:
        InputError: a part is not key=value, or a key stands twice.
    """
    kind, *rest = text.split(":")
    if rest and ("." in kind or rest[0][:1].isupper()) and "=" not in rest[0]:  # module:Class
        kind, rest = f"{kind}:{rest[0]}", rest[1:]
    settings: dict[str, Any] = {}
    for part in ":".join(rest).split(",") if rest else ():
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{text}: {part!r} should be key=value; write KIND:key=value,key=value")
        if name.strip() == "kind" or name.strip() in settings:
            raise InputError(f"{text}: {name.strip()} stands twice")
        try:
            settings[name.strip()] = load_yaml(value)
        except yaml.YAMLError:
            raise InputError(f"{text}: {value!r} is no YAML value") from None
    return {"kind": kind, **settings}


def _validated(adapter: TypeAdapter[T], raw: dict[str, Any], where: str) -> T:
    try:
        return adapter.validate_python(raw, context={"folder": Path.cwd()})
    except ValidationError as error:
        raise InputError(f"{where}: {first_error(error)}") from None
