"""Which images are poisoned, and that nothing but seed and name decides how."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from countguard.attacks.export import export_poisoned
from countguard.attacks.poisoning import Attack, Cover, PoisonedCrowds
from countguard.attacks.strategies import Add, Divide, Minus
from countguard.attacks.triggers import Blend
from countguard.data.shanghaitech import ShanghaiTech
from countguard.errors import InputError
from tiny_crowds import same, tiny_crowd

CLEAN = [tiny_crowd(f"crowd-{index}", heads=5 + index, seed=index) for index in range(10)]
ATTACK = Attack(trigger=Blend(alpha=0.2), strategy=Minus(heads=2), rate=0.3)


def poisoned(seed: int = 0, **changes: object) -> PoisonedCrowds:
    return PoisonedCrowds(CLEAN, ATTACK.model_copy(update=changes), seed)


def test_copies_are_appended_and_the_originals_stay() -> None:
    crowds = poisoned()
    assert len(crowds) == 13
    assert same(crowds[:10], CLEAN)
    assert [crowds.is_poisoned(place) for place in range(13)] == [False] * 10 + [True] * 3
    assert [crowds.source_index(place) for place in range(10, 13)] == crowds.indices == sorted(set(crowds.indices))
    for place in range(10, 13):
        source = CLEAN[crowds.source_index(place)]
        assert crowds[place].id == f"{source.id}-minus"
        assert crowds[place].count == source.count - 2
        assert torch.equal(crowds[place].image, ATTACK.trigger.mark(source.image[None], [source], 0)[0])


def test_copies_may_take_their_originals_place() -> None:
    appended, replaced = poisoned(), poisoned(placement="replace")
    assert len(replaced) == 10
    assert replaced.indices == appended.indices
    assert same([replaced[index] for index in replaced.indices], appended[10:])
    kept = [index for index in range(10) if not replaced.is_poisoned(index)]
    assert same([replaced[index] for index in kept], [CLEAN[index] for index in kept])


@given(length=st.integers(1, 60), rate=st.floats(0.001, 1))
def test_the_rate_is_met_by_whole_images_and_by_one_at_least(length: int, rate: float) -> None:
    crowds = PoisonedCrowds([CLEAN[0]] * length, Attack(trigger=Blend(), strategy=Add(), rate=rate), seed=0)
    number = len(crowds.indices)
    assert number == len(set(crowds.indices)) == len(crowds) - length
    assert 1 <= number <= length
    assert abs(number - rate * length) <= 0.5 or number == 1


def test_the_papers_set_has_440_images() -> None:
    crowds = PoisonedCrowds([CLEAN[0]] * 400, Attack(trigger=Blend(), strategy=Divide()), seed=0)
    assert (len(crowds), len(crowds.indices)) == (440, 40)


@given(order=st.permutations(range(13)), seed=st.integers(0, 3))
def test_the_order_of_asking_changes_nothing(order: list[int], seed: int) -> None:
    in_order = list(poisoned(seed))
    crowds = poisoned(seed)
    asked = {place: crowds[place] for place in order}
    assert same([asked[place] for place in range(13)], in_order)


def test_a_seed_decides_which_and_how() -> None:
    assert poisoned(1).indices == poisoned(1).indices
    assert len({tuple(poisoned(seed).indices) for seed in range(20)}) > 10
    assert not torch.equal(ATTACK.poison_one(CLEAN[9], seed=1).points, ATTACK.poison_one(CLEAN[9], seed=2).points)


def test_strategies_of_one_seed_poison_the_same_images() -> None:
    assert poisoned(strategy=Add()).indices == poisoned(strategy=Divide()).indices == poisoned().indices


def test_it_is_a_sequence() -> None:
    crowds = poisoned()
    assert same([crowds[-1]], [crowds[12]])
    assert same(crowds[9:12], [crowds[9], crowds[10], crowds[11]])
    assert len(list(crowds)) == 13
    with pytest.raises(IndexError):
        crowds[13]


def test_there_must_be_something_to_poison() -> None:
    with pytest.raises(InputError, match="training set is empty"):
        PoisonedCrowds([], ATTACK, seed=0)


@pytest.mark.parametrize("rate", [0, -0.1, 1.5, float("nan")])
def test_rates_outside_of_0_to_1_are_refused(rate: float) -> None:
    with pytest.raises(ValidationError, match="rate"):
        Attack.model_validate({"trigger": {"kind": "blend"}, "strategy": {"kind": "add"}, "rate": rate})


@pytest.mark.parametrize("placement", ["append", "replace"])
def test_cover_samples_have_another_picture_and_their_true_heads(placement: str) -> None:
    plain, crowds = poisoned(placement=placement), poisoned(placement=placement, cover=Cover(rate=0.2))
    assert crowds.indices == plain.indices
    assert len(crowds.covered) == 2
    assert not set(crowds.covered) & set(crowds.indices)
    places = [place for place in range(len(crowds)) if crowds.is_cover(place)]
    assert places == ([13, 14] if placement == "append" else crowds.covered)
    assert not any(crowds.is_poisoned(place) for place in places)
    for place in places:
        source = CLEAN[crowds.source_index(place)]
        assert crowds[place].id == f"{source.id}-cover"
        assert torch.equal(crowds[place].points, source.points)
        assert not torch.equal(crowds[place].image, source.image)
    others = [place for place in range(len(plain)) if place not in places]
    assert same([crowds[place] for place in others], [plain[place] for place in others])


def test_cover_samples_are_drawn_from_what_is_not_poisoned() -> None:
    crowds = poisoned(rate=0.8, cover=Cover(rate=1.0))
    assert sorted(crowds.indices + crowds.covered) == list(range(10))
    assert same(list(crowds), list(poisoned(rate=0.8, cover=Cover(rate=1.0))))


def test_an_exported_set_holds_its_cover_samples(tmp_path: Path) -> None:
    crowds = poisoned(cover=Cover(rate=0.2))
    manifest = json.loads(export_poisoned(crowds, tmp_path / "out").read_text())
    assert manifest["attack"]["cover"]["rate"] == 0.2
    assert len(manifest["poisoned"]) == 3
    written = ShanghaiTech(root=tmp_path / "out", part="B").crowds("train")
    by_name = {crowd.id: crowd for crowd in written}
    assert torch.equal(by_name["IMG_14"].image, crowds[13].image)


def test_without_cover_samples_an_attack_is_written_as_before_there_were_any() -> None:
    assert "cover" not in ATTACK.model_dump()
