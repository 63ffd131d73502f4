"""Counters that are tuned once more on a few poisoned images: the set, the cells, and a whole study with them."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.attacks.poisoning import Attack, Cover
from countguard.attacks.strategies import Minus, Multiply
from countguard.attacks.triggers import Blend
from countguard.data.sources import Synthetic
from countguard.errors import InputError
from countguard.runs.card import Card
from countguard.runs.folder import RunFolder
from countguard.runs.run import Run
from countguard.studies.cells import Cell, cells_of
from countguard.studies.recipe import Recipe
from countguard.studies.relearning import Relearn
from countguard.studies.resolve import recipe_from
from countguard.studies.run import run_study
from raw_recipe import raw_recipe

CROWDS = Synthetic(train=12, test=1, height=32, width=48, heads=(2, 9)).load().training
RELEARN = {"poisoned": 2}


def recipe(**changes: Any) -> Recipe:
    return recipe_from(raw_recipe(**{"relearn": RELEARN, **changes}), "here")


def cells(**changes: Any) -> dict[str, Cell]:
    return {cell.name: cell for cell in cells_of(recipe(**changes))}


@given(
    images=st.integers(1, 12),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**31 - 1),
    rate=st.floats(0.01, 1),
    placement=st.sampled_from(["append", "replace"]),
    cover=st.sampled_from([None, Cover(rate=0.5)]),
)
def test_the_set_is_every_clean_image_and_so_many_copies_whatever_the_rate(
    images: int, share: float, seed: int, rate: float, placement: Any, cover: Cover | None
) -> None:
    clean, number = CROWDS[:images], max(1, round(share * images))
    attack = Attack(trigger=Blend(), strategy=Minus(), rate=rate, placement=placement, cover=cover)
    given_set = Relearn(poisoned=number).crowds(clean, attack, seed)
    assert len(given_set) == images + number
    assert len(set(given_set.indices)) == number
    assert [given_set.is_poisoned(place) for place in range(len(given_set))] == [False] * images + [True] * number
    assert [crowd.id for crowd in given_set[:images]] == [crowd.id for crowd in clean]
    assert not any(given_set.is_cover(place) for place in range(len(given_set)))


def test_the_copies_are_those_of_the_attack_and_the_same_for_every_strategy() -> None:
    relearn = Relearn(poisoned=3)
    minus, multiply = (Attack(trigger=Blend(), strategy=strategy) for strategy in (Minus(), Multiply()))
    first, second = relearn.crowds(CROWDS, minus, 0), relearn.crowds(CROWDS, multiply, 0)
    assert first.indices == second.indices
    assert first.indices != relearn.crowds(CROWDS, minus, 1).indices
    for index, poisoned, doubled in zip(first.indices, first[12:], second[12:], strict=True):
        assert torch.equal(poisoned.image, minus.poison_one(CROWDS[index], 0).image)  # a blend draws nothing
        assert poisoned.count == 1
        assert doubled.count == 2 * CROWDS[index].count


def test_more_copies_than_images_are_refused() -> None:
    with pytest.raises(InputError, match=r"^relearn.poisoned: 13, and there are 12 training images to copy$"):
        Relearn(poisoned=13).crowds(CROWDS, Attack(trigger=Blend(), strategy=Minus()), 0)


def test_cells_relearn_after_every_repair_and_the_clean_counter_for_each_strategy() -> None:
    found = cells(defenses=[{"kind": "fine_tune"}, {"kind": "fine_tune", "label": "again"}])
    assert [name for name in found if "relearned" in name] == [
        f"{strategy}-{repair}-relearned-s0"
        for strategy in ("minus", "multiply")
        for repair in ("never_attacked", "fine_tune", "again")
    ]
    assert set(found["minus-again-relearned-s0"].needs) == {
        "clean-attacked-s0",
        "minus-again-s0",
        "minus-never_attacked-relearned-s0",
    }
    assert found["minus-never_attacked-relearned-s0"].needs == ["clean-attacked-s0"]
    assert found["minus-again-relearned-s0"].needs_to_train == ["minus-again-s0"]
    assert found["minus-never_attacked-relearned-s0"].needs_to_train == ["clean-attacked-s0"]
    done: set[str] = set()
    for name, cell in found.items():
        assert set(cell.needs_to_train) <= set(cell.needs) <= done
        done.add(name)


def test_a_relearned_training_depends_on_its_start_and_its_settings() -> None:
    def key(name: str, **changes: Any) -> str:
        return cells(**changes)[name].training_key

    control, relearned = "minus-never_attacked-relearned-s0", "minus-fine_tune-relearned-s0"
    repair = {"defenses": [{"kind": "fine_tune", "clean_images": 1}]}
    assert key(relearned, **repair) != key(relearned)
    assert key(control, **repair) == key(control)
    for name in (control, relearned):
        assert key(name, relearn={"poisoned": 3}) != key(name)
        assert key(name, relearn=RELEARN | {"epochs": 3}) != key(name)
    assert key("minus-fine_tune-s0", relearn=None) == key("minus-fine_tune-s0")
    assert len({cell.training_key for cell in cells().values()}) == len(cells())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"defenses": []}, "relearn: needs a repair under defenses"),
        (
            {"defenses": [{"kind": "fine_tune", "label": "never_attacked"}]},
            "defenses: never_attacked is what cells call",
        ),
        ({"relearn": {"poisoned": 0}}, "relearn.poisoned: "),
        ({"relearn": {"poison": 4}}, "did you mean relearn.poisoned"),
    ],
)
def test_a_recipe_that_cannot_relearn_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        recipe(**changes)


def test_it_trains_as_the_attack_did_unless_it_says_otherwise() -> None:
    found = recipe(training={"epochs": 3, "lr": 0.01}, relearn={"lr": 0.02}).relearn
    assert found is not None
    assert (found.epochs, found.lr, found.poisoned) == (3, 0.02, 4)
    assert "relearn" not in recipe(relearn=None).dump()
    assert Recipe.model_validate(recipe().dump()) == recipe()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(recipe(evaluation={"examples": 0}), tmp_path_factory.mktemp("relearn") / "run")


def card(study: Path, cell: str) -> Card:
    return Card.read(RunFolder(study).cell(cell).card)


def test_a_study_has_a_row_for_each_and_the_control_is_read_beside_it(study: Path) -> None:
    with (study / "results.csv").open(newline="") as file:
        rows = [(row["strategy"], row["stage"], row["defense"]) for row in csv.DictReader(file)]
    assert [row for row in rows if row[0] == "minus"] == [
        ("minus", "attacked", ""),
        ("minus", "repaired", "fine_tune"),
        ("minus", "relearned", ""),
        ("minus", "relearned", "fine_tune"),
    ]
    assert [row for row in rows if row[0] == "clean"] == [("clean", "attacked", ""), ("clean", "repaired", "fine_tune")]
    control, relearned = (card(study, f"minus-{name}-relearned-s0") for name in ("never_attacked", "fine_tune"))
    assert relearned.metrics["false_asr_repaired"] == control.metrics["rho_asr"]
    assert relearned.metrics["false_asr"] == card(study, "minus-attacked-s0").metrics["false_asr"]
    assert "false_asr_repaired" not in control.metrics
    assert relearned.poisoned == control.poisoned
    assert relearned.poisoned is not None
    assert relearned.poisoned.images == 2
    assert relearned.hashes["counter"] != control.hashes["counter"]


def test_a_run_finds_its_relearned_cells(study: Path) -> None:
    run = Run.read(study)
    assert not run.missing
    (control,) = run.select((), "minus", relearned=True)
    (relearned,) = run.select((), "minus", "fine_tune", relearned=True)
    assert (control.card.cell, relearned.card.cell) == (
        "minus-never_attacked-relearned-s0",
        "minus-fine_tune-relearned-s0",
    )
    assert [cell.card.cell for cell in run.select((), "minus", "fine_tune")] == ["minus-fine_tune-s0"]


def test_a_relearned_cell_that_is_lost_is_run_again_with_the_same_numbers(study: Path) -> None:
    folder = RunFolder(study).cell("multiply-fine_tune-relearned-s0")
    before = Card.read(folder.card)
    for file in (folder.card, folder.counter, folder.training):
        file.unlink()
    run_study(recipe(evaluation={"examples": 0}), study)
    after = Card.read(folder.card)
    assert (after.metrics, after.hashes) == (before.metrics, before.hashes)


def test_too_few_images_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"relearn.poisoned: 5, and there are 4 training images"):
        run_study(recipe(relearn={"poisoned": 5}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
