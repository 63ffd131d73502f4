"""Attacks as the command line names them."""

from pydantic import TypeAdapter, ValidationError

from countguard.attacks.poisoning import Attack
from countguard.attacks.strategies import AnyStrategy
from countguard.attacks.triggers import AnyTrigger, Blend
from countguard.errors import InputError
from countguard.settings import first_error

_NUMBERS = {"add": "heads", "minus": "heads", "divide": "factor", "multiply": "factor"}


def named_strategy(text: str) -> AnyStrategy:
    """`minus`, or `minus:50` with its number.

    Raises:
        InputError: there is no such strategy, or the number does not fit.
    """
    kind, _, number = text.partition(":")
    raw = {"kind": kind} | ({_NUMBERS.get(kind, "number"): number} if number else {})
    try:
        strategy: AnyStrategy = TypeAdapter(AnyStrategy).validate_python(raw)
    except ValidationError as error:
        raise InputError(f"strategy {text}: {first_error(error)}") from None
    return strategy


def named_trigger(picture: str, alpha: float) -> AnyTrigger:
    """A blend of a built-in picture or a file.

    Raises:
        InputError: alpha is out of 0..1, or there is no such picture.
    """
    try:
        trigger = Blend(picture=picture, alpha=alpha)
    except ValidationError as error:
        raise InputError(f"trigger: {first_error(error)}") from None
    trigger.picture_for(64, 64)
    return trigger


def named_attack(strategy: str, picture: str, alpha: float, rate: float) -> Attack:
    """A whole attack.

    Raises:
        InputError: see `named_strategy`, `named_trigger`; or the rate is out of 0..1.
    """
    try:
        return Attack(trigger=named_trigger(picture, alpha), strategy=named_strategy(strategy), rate=rate)
    except ValidationError as error:
        raise InputError(f"attack: {first_error(error)}") from None
