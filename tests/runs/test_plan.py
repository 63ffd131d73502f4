"""Names of cells, and plans that are bounded before they are counted one by one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from countguard.dotted import lookup
from countguard.errors import InputError
from countguard.runs.plan import CellKey, Plan, entry_name, setting_text, variant_text

json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(varied=st.dictionaries(st.text(min_size=1, max_size=200), json_values, max_size=5))
def test_every_name_is_fit_for_a_folder(varied: dict[str, JsonValue]) -> None:
    name = CellKey("minus", "", 0, varied).name
    assert len(name.encode()) <= 120
    assert not set(name) & set("/\\ \0\n")
    assert name.startswith("minus-attacked-s0")


def test_long_values_give_different_names() -> None:
    names = {CellKey("minus", "", 0, {"data.root": "x" * 300 + ending}).name for ending in ("a", "b")}
    assert len(names) == 2


STUDY: dict[str, Any] = {
    "seeds": [0, 1],
    "attack": {"strategies": [{"kind": "minus"}, {"kind": "thief.py:Steal"}]},
    "filters": [{"kind": "shared_picture"}],
    "defenses": [{"kind": "fine_tune", "label": "again"}],
}


def test_a_plan_is_every_defense_of_every_strategy_of_every_seed() -> None:
    keys = list(Plan.of(STUDY).cells())
    assert len(keys) == len(Plan.of(STUDY)) == 2 * 3 * 3
    assert [key.name for key in keys[:4]] == [
        "clean-attacked-s0", "clean-shared_picture-s0", "clean-again-s0", "minus-attacked-s0",
    ]  # fmt: skip
    assert [key.stage for key in keys[:3]] == ["attacked", "filtered", "repaired"]
    assert {key.strategy for key in keys} == {"clean", "minus", "Steal"}


def test_each_cell_comes_after_those_that_it_needs() -> None:
    done: set[str] = set()
    for key in Plan.of(STUDY).cells():
        assert set(key.needs) <= done
        assert key.name not in key.needs
        done.add(key.name)
    assert "clean-shared_picture-s0" in CellKey("minus", "shared_picture", 0, filtered=True).needs


def test_a_study_of_billions_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"make 859,963,392 cells, more than 10,000"):
        Plan.of({"seeds": [0], "vary": {f"training.{n}": list(range(12)) for n in range(8)}, "defenses": ["a"]})


@pytest.mark.parametrize(
    ("study", "field"),
    [
        ({"vary": {"a": 3}}, "vary"),
        ({"vary": {"a": []}}, "vary"),
        ({"vary": [1]}, "vary"),
        ({"seeds": ["a"]}, "seeds"),
        ({"seeds": 3}, "seeds"),
        ({"attack": {"strategies": {"kind": "minus"}}}, "attack.strategies"),
        ({"defenses": [{"kind": "a"}, {"kind": "a"}]}, "defenses"),
    ],
)
def test_a_study_from_outside_that_is_no_study_names_the_field(study: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=rf"^{field}: "):
        Plan.of({"seeds": [0]} | study)


def test_entries_go_by_their_label_or_kind() -> None:
    assert entry_name({"kind": "fine_tune", "label": "again"}) == "again"
    assert entry_name({"kind": "folder/thief.py:Steal", "label": ""}) == "Steal"


def test_lookup_reaches_into_lists_and_says_none_beyond() -> None:
    recipe = {"defenses": [{"epochs": 3}]}
    assert lookup(recipe, "defenses.0.epochs") == 3
    assert lookup(recipe, "defenses.1.epochs") is None
    assert lookup(recipe, "model.kind") is None


def test_a_varied_setting_is_written_as_on_the_command_line() -> None:
    trigger = {"kind": "blend", "picture": "kitten", "alpha": 0.1}
    assert setting_text(trigger) == "blend:picture=kitten,alpha=0.1"
    assert setting_text([{"kind": "minus", "heads": 100}, {"kind": "keep"}]) == "minus:heads=100 keep"
    assert [setting_text(value) for value in (None, {"after": 3}, 0.5, "a")] == ["none", "after=3", "0.5", "a"]
    assert variant_text((("attack.trigger", trigger), ("training.isolate", None))) == (
        "attack.trigger = blend:picture=kitten,alpha=0.1, training.isolate = none"
    )
