"""A folder that an earlier version wrote is taken up by a later one that knows more settings."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from countguard.errors import InputError
from countguard.studies.cells import Cell
from countguard.studies.resolve import recipe_from
from countguard.studies.run import run_study
from countguard.yaml_text import dump_yaml, read_yaml
from raw_recipe import raw_recipe


def nothing(cells: Sequence[Cell], study: Path, *others: object) -> None:
    """An executor that runs no cell."""


def test_a_setting_that_was_not_there_yet_is_what_it_is_by_default(tmp_path: Path) -> None:
    recipe = recipe_from(raw_recipe(), "here")
    study = run_study(recipe, tmp_path / "run", executor=nothing)
    before = read_yaml(study / "study.yaml")
    assert before["training"].pop("freeze") is None
    (study / "study.yaml").write_text(dump_yaml(before))
    run_study(recipe, study, executor=nothing)
    frozen = recipe_from(raw_recipe(training={**raw_recipe()["training"], "freeze": "features"}), "here")
    with pytest.raises(InputError, match=r"training\.freeze is None there and 'features' now"):
        run_study(frozen, study, executor=nothing)
