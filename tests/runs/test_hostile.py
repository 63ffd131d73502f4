"""Run folders from strangers: whatever is wrong is one line that names the file, and nothing outside is touched."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countguard.errors import InputError, RunError
from countguard.reports.report import write_report
from countguard.runs.card import Card
from countguard.runs.plan import Plan
from countguard.runs.run import Run
from countguard.studies.resolve import recipe_from
from made_run import MadeRun, build_run
from raw_recipe import raw_recipe
from runs.hostile_folders import HOSTILE, change_card, change_study

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("damage", HOSTILE, ids=lambda damage: damage.__name__)
def test_a_hostile_run_folder_is_one_line(damage: Callable[[Path], str], tmp_path: Path) -> None:
    folder = build_run(MadeRun(tmp_path / "run", strategies=("minus",), defenses=(), examples=1))
    line = damage(folder)
    outside = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents}
    with pytest.raises(InputError, match=line) as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)
    assert outside == {path: path.read_bytes() for path in outside}
    assert not Path("owned").exists()


def test_hostile_run_folders_cost_little_and_touch_nothing(tmp_path: Path) -> None:
    folders = []
    for damage in HOSTILE:
        (tmp_path / damage.__name__).mkdir()
        made = MadeRun(tmp_path / damage.__name__ / "run", strategies=("minus",), defenses=(), examples=1)
        folders.append(build_run(made))
        damage(folders[-1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "runs.hostile_folders", *map(str, folders)]
    opened = subprocess.run(command, cwd=TESTS, check=True, timeout=600, capture_output=True, text=True)
    outcomes = [json.loads(line) for line in opened.stdout.splitlines()]
    assert len(outcomes) == 2 * len(HOSTILE)
    assert all(outcome["message"] for outcome in outcomes if outcome["verb"] == "report")
    assert max(outcome["seconds"] for outcome in outcomes) < 10
    assert max(outcome["memory"] for outcome in outcomes) < 1 << 29
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
RECIPE_KEYS = st.sampled_from(
    ["name", "preset", "seeds", "data", "model", "attack", "training", "defenses", "vary", "machine"]
)
CARD_KEYS = st.sampled_from(sorted(Card.model_fields))
FEW = hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(changes=st.dictionaries(RECIPE_KEYS, values, max_size=3))
@FEW
def test_a_recipe_of_anything_ends_in_a_line_or_a_recipe(changes: dict[str, Any]) -> None:
    with suppress(InputError, RunError):
        recipe = recipe_from(raw_recipe(**changes), "here")
        Plan.of(recipe.dump())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(MadeRun(tmp_path_factory.mktemp("good") / "run", strategies=("minus",), defenses=(), examples=0))


@given(changes=st.dictionaries(CARD_KEYS, values, max_size=3), study=st.dictionaries(RECIPE_KEYS, values, max_size=2))
@FEW
def test_a_run_folder_of_anything_ends_in_a_line_or_a_run(
    good: Path, tmp_path: Path, changes: dict[str, Any], study: dict[str, Any]
) -> None:
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    change_card(folder, **changes)
    with suppress(InputError, RunError):
        change_study(folder, **study)
        run = Run.read(folder)
        assert len(run.cells) + len(run.missing) == len(run.plan)
