"""What the command line calls an attack is the attack that a recipe would name."""

from pathlib import Path

import pytest

from countguard.attacks.from_text import named_attack, named_strategy, named_trigger, settings_from
from countguard.attacks.strategies import Add, ClearRegion, Divide, Minus, Multiply, Strategy
from countguard.attacks.triggers import TRIGGERS, Blend, Rain, Trigger
from countguard.errors import InputError


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("minus", Minus()),
        ("minus:50", Minus(heads=50)),
        ("minus:heads=50", Minus(heads=50)),
        ("add:7", Add(heads=7)),
        ("divide:3", Divide(factor=3)),
        ("multiply:4", Multiply(factor=4)),
        ("clear_region", ClearRegion()),
    ],
)
def test_a_strategy_by_name(text: str, strategy: Strategy) -> None:
    assert named_strategy(text) == strategy


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("blend", Blend()),
        ("blend:picture=waves,alpha=0.3", Blend(picture="waves", alpha=0.3)),
        ("rain:strength=0.5, density=1e-1", Rain(strength=0.5, density=0.1)),
    ],
)
def test_a_trigger_by_name_with_its_settings(text: str, trigger: Trigger) -> None:
    assert named_trigger(text) == trigger


def test_every_kind_of_trigger_has_a_name() -> None:
    assert {named_trigger(kind).model_dump()["kind"] for kind in TRIGGERS} == set(TRIGGERS)


def test_code_is_named_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text("from countguard.attacks.weather import Rain\n\nclass Own(Rain):\n    pass\n")
    monkeypatch.chdir(tmp_path)
    assert settings_from("own.py:Own:strength=0.2") == {"kind": "own.py:Own", "strength": 0.2}
    assert type(named_trigger("own.py:Own:strength=0.2")).__name__ == "Own"


def test_a_whole_attack() -> None:
    attack = named_attack("minus:5", "blend:picture=waves,alpha=0.3", 0.5)
    assert (attack.strategy, attack.trigger, attack.rate) == (Minus(heads=5), Blend(picture="waves", alpha=0.3), 0.5)


@pytest.mark.parametrize(
    ("strategy", "trigger", "rate", "says"),
    [
        ("steal", "blend", 0.1, "strategy steal: .*is unknown; there are add"),
        ("minus:0", "blend", 0.1, "strategy minus:0: heads: "),
        ("minus:many", "blend", 0.1, "minus:many: 'many' should be key=value"),
        ("clear_region:3", "blend", 0.1, "'3' should be key=value"),
        ("minus", "blend:alpha=2", 0.1, "trigger blend:alpha=2: alpha: "),
        ("minus", "blend:shine=1", 0.1, "trigger blend:shine=1: shine: Extra"),
        ("minus", "rain:strength", 0.1, "rain:strength"),
        ("minus", "rain:a=1,b", 0.1, "'b' should be key=value"),
        ("minus", "blend:picture=no/such.png", 0.1, "no/such.png"),
        ("minus", "blend", 0.0, "attack: rate: "),
    ],
)
def test_what_is_wrong_is_named(strategy: str, trigger: str, rate: float, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        named_attack(strategy, trigger, rate)
    assert "\n" not in str(caught.value)
