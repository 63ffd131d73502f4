"""A study's cells: their names, their order, and what of a recipe a training depends on."""

from typing import Any

from countguard.studies.cells import Cell, cells_of
from countguard.studies.resolve import recipe_from
from raw_recipe import raw_recipe


def cells(**changes: Any) -> list[Cell]:
    return list(cells_of(recipe_from(raw_recipe(**changes), "here")))


def test_a_study_is_every_strategy_and_stage_of_every_seed() -> None:
    assert [cell.name for cell in cells(seeds=[0, 7])] == [
        f"{strategy}-{stage}-s{seed}"
        for seed in (0, 7)
        for strategy in ("clean", "minus", "multiply")
        for stage in ("attacked", "fine_tune")
    ]


def test_each_cell_comes_after_those_that_it_needs() -> None:
    done: set[str] = set()
    defenses = [{"kind": "fine_tune"}, {"kind": "fine_tune", "label": "again"}]
    for cell in cells(seeds=[1, 0], defenses=defenses, vary={"training.lr": [1e-3, 1e-4]}):
        assert set(cell.needs) <= done
        assert cell.name not in cell.needs
        done.add(cell.name)
    assert len(done) == 2 * 2 * 3 * 3


def test_a_repaired_cell_needs_the_attacked_and_both_clean_counters() -> None:
    by_name = {cell.name: cell for cell in cells()}
    assert by_name["clean-attacked-s0"].needs == []
    assert by_name["clean-fine_tune-s0"].needs == ["clean-attacked-s0"]
    assert by_name["minus-attacked-s0"].needs == ["clean-attacked-s0"]
    assert set(by_name["minus-fine_tune-s0"].needs) == {
        "clean-attacked-s0",
        "minus-attacked-s0",
        "clean-fine_tune-s0",
    }


def key(cell_name: str, **changes: Any) -> str:
    return next(cell.training_key for cell in cells(**changes) if cell.name == cell_name)


def test_a_training_depends_on_what_it_uses_and_on_nothing_else() -> None:
    clean, minus, repaired = "clean-attacked-s0", "minus-attacked-s0", "minus-fine_tune-s0"
    other_data = raw_recipe()["data"] | {"seed": 5}
    strategies = {"strategies": [{"kind": "minus"}, {"kind": "multiply"}]}
    for name in (clean, minus, repaired):
        before = key(name)
        assert key(name) == before
        assert key(name, data=other_data) != before
        assert key(name, training={"epochs": 2}) != before
        assert key(name, model={"kind": "mcnn"}) != before
        assert key(name, evaluation={"examples": 1}) == before
        assert key(name, machine={"accelerator": "auto"}) == before
        assert key(name, name="other") == before
    changed_attack = {"attack": strategies | {"rate": 0.2}}
    assert key(clean, **changed_attack) == key(clean)
    assert key(minus, **changed_attack) != key(minus)
    assert key(repaired, **changed_attack) != key(repaired)
    changed_repair = {"defenses": [{"kind": "fine_tune", "clean_images": 1}]}
    assert key(minus, **changed_repair) == key(minus)
    assert key(repaired, **changed_repair) != key(repaired)
    assert len({cell.training_key for cell in cells(seeds=[0, 1])}) == 12


def test_a_repair_that_starts_anew_is_one_training_for_all_strategies_but_what_is_tuned_afterwards_is_not() -> None:
    changes = {"defenses": [{"kind": "retrain", "clean_images": 1}, {"kind": "fine_tune", "clean_images": 1}]}
    relearn = {"relearn": {"poisoned": 1, "epochs": 1}}
    strategies = ("clean", "minus", "multiply")
    assert len({key(f"{strategy}-retrain-s0", **changes) for strategy in strategies}) == 1
    assert len({key(f"{strategy}-fine_tune-s0", **changes) for strategy in strategies}) == 3
    assert len({key(f"{strategy}-retrain-relearned-s0", **changes, **relearn) for strategy in strategies[1:]}) == 2
    assert key("minus-retrain-s0", **changes, seeds=[0]) != key("minus-retrain-s1", **changes, seeds=[1])
