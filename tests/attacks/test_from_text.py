"""Attacks as the command line names them."""

import pytest

from countguard.attacks.from_text import named_attack, named_strategy, named_trigger
from countguard.attacks.strategies import Add, Divide, Minus, Multiply
from countguard.attacks.triggers import Blend
from countguard.errors import InputError


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("add", Add()),
        ("minus", Minus()),
        ("minus:50", Minus(heads=50)),
        ("add:7", Add(heads=7)),
        ("divide:4", Divide(factor=4)),
        ("multiply:3", Multiply(factor=3)),
    ],
)
def test_a_number_may_follow(text: str, strategy: object) -> None:
    assert named_strategy(text) == strategy


@pytest.mark.parametrize("text", ["", "steal", "minus:", "minus:x", "minus:0", "minus:-1", "divide:1", "add:1e9"])
def test_what_is_no_strategy_is_named(text: str) -> None:
    if text == "minus:":
        assert named_strategy(text) == Minus()
        return
    with pytest.raises(InputError, match=rf"^strategy {text}: "):
        named_strategy(text)


def test_a_whole_attack() -> None:
    attack = named_attack("minus:5", "waves", 0.3, 0.5)
    assert attack.trigger == Blend(picture="waves", alpha=0.3)
    assert (attack.strategy, attack.rate, attack.placement) == (Minus(heads=5), 0.5, "append")


@pytest.mark.parametrize(
    ("picture", "alpha", "rate", "says"),
    [
        ("kitten", 1.5, 0.1, "trigger: alpha"),
        ("kitten", float("nan"), 0.1, "trigger: alpha"),
        ("nothing.png", 0.1, 0.1, "trigger.picture: 'nothing.png'"),
        ("kitten", 0.1, 0.0, "attack: rate"),
        ("kitten", 0.1, 1.1, "attack: rate"),
    ],
)
def test_what_does_not_fit_is_named(picture: str, alpha: float, rate: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        named_attack("minus", picture, alpha, rate)


def test_a_trigger_is_looked_at_before_any_work() -> None:
    with pytest.raises(InputError, match="neither a file nor one of"):
        named_trigger("no/such/picture.png", 0.1)
