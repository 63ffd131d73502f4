"""The search for the settings of a repair, and the control that starts anew."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from countguard.data.crowd import Crowd
from countguard.defenses.defenses import AnyDefense, Retrain, Search
from countguard.defenses.search import RECORD
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.training.fit import Machine
from tiny_crowds import tiny_crowd

CPU = Machine(accelerator="cpu", resume_seconds=0)
FINE_TUNE = {"kind": "fine_tune", "epochs": 1, "batch_size": 2}


def search(**settings: Any) -> Search:
    raw = {"kind": "search", "of": FINE_TUNE, "values": {"lr": [1e-3, 1e-2]}, **settings}
    found: Search = TypeAdapter(AnyDefense).validate_python(raw)
    return found


def crowds(number: int = 8) -> list[Crowd]:
    return [tiny_crowd(f"IMG_{index}", heads=4 + index, seed=index) for index in range(number)]


def lite(seed: int = 0) -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_counter("lite")


def same(one: Counter, other: Counter) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


class Fixed(Counter):
    """Counts as many on every picture."""

    def __init__(self, heads: float) -> None:
        super().__init__()
        self.heads_each = heads

    def count(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images),), self.heads_each)


def test_the_rule_is_the_mean_relative_error_with_and_without_mixed_pictures() -> None:
    held = [tiny_crowd("a", heads=10), tiny_crowd("b", heads=4), tiny_crowd("empty", heads=0)]
    assert search().error(Fixed(5.0), held, 0) == pytest.approx((0.5 + 0.25) / 2)
    assert search().error(Fixed(400.0), held, 0) == 1  # at most 1 for an image
    assert search().error(Fixed(float("nan")), held, 0) == 1
    with pytest.raises(InputError, match="has a head"):
        search().error(Fixed(1.0), held[2:], 0)


def test_the_trial_with_the_smallest_error_repairs_on_all_clean_images(tmp_path: Path) -> None:
    chosen = search(values={"lr": [1e-9, 1e-3, 1e-2]})
    repaired = lite()
    chosen.repair(repaired, crowds(), seed=3, folder=tmp_path, machine=CPU)
    trials = json.loads((tmp_path / RECORD).read_text())
    assert [trial["values"] for trial in trials] == [{"lr": 1e-9}, {"lr": 1e-3}, {"lr": 1e-2}]
    best = min(trials, key=lambda trial: trial["error"])["values"]["lr"]
    alone = lite()
    repair = TypeAdapter(AnyDefense).validate_python({**FINE_TUNE, "lr": best})
    repair.repair(alone, crowds(), seed=3, machine=CPU)
    assert same(repaired, alone)
    assert not (tmp_path / "trial").exists()


def test_a_search_that_was_interrupted_tries_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[float] = []

    def error(self: Search, counter: Counter, held: object, seed: int) -> float:
        if len(counted) == 2:
            counted.append(0.0)
            raise KeyboardInterrupt
        counted.append(0.0)
        return [0.5, 0.2, 0.3, 0.1][len(counted) % 4]

    monkeypatch.setattr(Search, "error", error)
    chosen = search(values={"lr": [1e-4, 1e-3, 1e-2]})
    with pytest.raises(KeyboardInterrupt):
        chosen.repair(lite(), crowds(), seed=0, folder=tmp_path, machine=CPU)
    assert len(json.loads((tmp_path / RECORD).read_text())) == 2
    chosen.repair(lite(), crowds(), seed=0, folder=tmp_path, machine=CPU)
    assert len(counted) == 4  # the third once more


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"values": {"speed": [1]}}, "values"),
        ({"values": {"lr": [5]}}, "values: lr"),
        ({"values": {}}, "values"),
        ({"values": {"lr": [0.1] * 11, "epochs": [1] * 10}}, "110 trials"),
        ({"of": {**FINE_TUNE, "clean_images": 4}}, "of.clean_images"),
        ({"of": {**FINE_TUNE, "select": "best_validation"}}, "of.select"),
        ({"of": {"kind": "search", "of": FINE_TUNE, "values": {"lr": [0.1]}}}, "a search of a search"),
    ],
)
def test_what_cannot_be_tried_is_refused_at_once(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        search(**settings)


def test_a_search_needs_an_image_to_hold_back() -> None:
    with pytest.raises(InputError, match="two clean images"):
        search(clean_images=1).repair(lite(), crowds(), seed=0, machine=CPU)


def test_retraining_keeps_nothing_of_the_attacked_counter() -> None:
    repair = Retrain(epochs=1, batch_size=2, lr=1e-3)
    one, other = lite(0), lite(7)
    for counter in (one, other):
        repair.repair(counter, crowds(), seed=5, machine=CPU)
    assert same(one, other)
    repair.repair(other, crowds(), seed=6, machine=CPU)
    assert not same(one, other)


def test_retraining_refuses_a_counter_that_cannot_be_built_again() -> None:
    with pytest.raises(InputError, match="no kind"):
        Retrain(epochs=1).repair(Fixed(1.0), crowds(), seed=0, machine=CPU)
