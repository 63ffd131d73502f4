from collections.abc import Callable
from pathlib import Path

from countguard.runs.run import Run

MakeRun = Callable[..., Path]


def test_matrix_follows_the_recipe_and_nothing_is_missing(make_run: MakeRun) -> None:
    run = Run.read(make_run(seeds=(3, 1), examples=0))
    assert run.strategies == ("add", "minus", "multiply", "divide")
    assert run.defenses == ("fine_tune",)
    assert [cell.card.seed for cell in run.select((), "minus")] == [3, 1]
    assert len(run.cells) == 2 * 5 * 2
    assert run.missing == ()


def test_missing_counters_are_named(make_run: MakeRun) -> None:
    run = Run.read(make_run(examples=0, unfinished=[("minus", "repaired"), ("clean", "attacked")]))
    assert run.missing == ("clean, as trained, seed 0", "minus, repaired by fine_tune, seed 0")


def test_cells_that_the_recipe_does_not_ask_for_are_left_out(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("kind: divide", "kind: other"))
    run = Run.read(folder)
    assert {cell.card.strategy for cell in run.cells} == {"clean", "add", "minus", "multiply"}
    assert "other, as trained, seed 0" in run.missing


def test_settings_that_vary_together_are_read_as_the_study_ran_them(make_run: MakeRun) -> None:
    names, values = "data.seed, attack.trigger.picture", [[7, "robots"], [1, "waves"]]
    run = Run.read(make_run(examples=0, strategies=("minus",), varied=(names, values)))
    assert run.varied == ("attack.trigger.picture", "data.seed")
    assert [dict(variant)["data.seed"] for variant in run.variants] == [7, 1]  # by the names' order: robots, waves
    assert not run.missing
    assert len(run.select(run.variants[0], "minus")) == 1


def test_varied_settings_ascend_and_figures_show_the_recipes_own_value(make_run: MakeRun) -> None:
    name = "attack.trigger.alpha"
    run = Run.read(make_run(examples=0, strategies=("minus",), varied=(name, [0.2, 0.05, 0.1])))
    assert [dict(variant)[name] for variant in run.variants] == [0.05, 0.1, 0.2]
    assert dict(run.reference)[name] == 0.1
    assert [cell.card.varied for cell in run.select(run.reference, "minus")] == [{name: 0.1}]
