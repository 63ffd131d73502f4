"""A whole study, run once a session: what it writes, and that it always writes the same."""

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from countguard.metrics import Measurement, measure
from countguard.models import load_counter
from countguard.models.checkpoint import recipe_hash_of
from countguard.runs.predictions import read_predictions
from countguard.runs.results import columns
from countguard.studies.cell_run import train_cell
from countguard.studies.cells import Cell
from countguard.studies.executors.local import run_locally
from countguard.studies.progress import StudyProgress
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import read_recipe, recipe_from
from countguard.studies.run import run_study
from countguard.writing import sha256_of

DOCUMENT = (Path(__file__).parents[2] / "docs/reference/run-folder.md").read_text()
CELLS = [f"{strategy}-{stage}-s0" for strategy in ("clean", "minus", "multiply") for stage in ("attacked", "fine_tune")]
DIRECTION = {"minus": -1, "multiply": 1}


def rows(study: Path) -> list[dict[str, str]]:
    with (study / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def card(study: Path, cell: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((study / "cells" / cell / "card.json").read_text())
    return content


def without_time(table: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in table]


def same_numbers(one: Path, other: Path, *, machine: bool = True) -> None:
    """Two folders hold the same study: tables, predictions, counters and examples, all but the times."""
    assert without_time(rows(one)) == without_time(rows(other))
    for cell in CELLS:
        ours, theirs = one / "cells" / cell, other / "cells" / cell
        for name in ("predictions.csv", "counter.safetensors"):
            assert sha256_of(ours / name) == sha256_of(theirs / name), f"{cell}/{name}"
        first, second = card(one, cell), card(other, cell)
        for content in (first, second):
            content["seconds"] = None
            content["settings"]["recipe"]["machine"] = content["settings"]["recipe"]["machine"] if machine else None
        assert first == second
        with np.load(ours / "examples.npz") as a, np.load(theirs / "examples.npz") as b:
            assert a.files == b.files
            assert all(np.array_equal(a[name], b[name]) for name in a.files)


@pytest.fixture(autouse=True)
def _threads_as_before() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def copy(tiny_study: Path, tmp_path: Path) -> Path:
    """A copy of the study to damage."""
    return shutil.copytree(tiny_study, tmp_path / "copy")


def test_the_table_has_the_columns_and_rows_that_the_document_names(tiny_study: Path) -> None:
    found = re.search(r"## results\.csv\n`([^`]+)`", DOCUMENT)
    assert found is not None
    names = re.split(r",\s+", found[1])
    assert (tiny_study / "results.csv").read_text().splitlines()[0].split(",") == names == list(columns())
    assert [f"{row['strategy']}-{row['defense'] or 'attacked'}-s{row['seed']}" for row in rows(tiny_study)] == CELLS
    assert {row["stage"] for row in rows(tiny_study)} == {"attacked", "repaired"}
    assert {(row["dataset"], row["model"], row["images"]) for row in rows(tiny_study)} == {
        ("synthetic plaza", "lite", "8")
    }


def test_the_table_is_empty_where_a_number_is_undefined(tiny_study: Path) -> None:
    attack = {
        "rho_asr",
        "rho_asr_10_30",
        "rho_asr_30_50",
        "rho_asr_50_100",
        "rho_asr_100",
        "false_asr",
        "net_asr",
        "shift",
    }
    for row in rows(tiny_study):
        empty = {name for name, value in row.items() if value == ""} - {"defense"}
        assert empty == {"clean": attack, "minus": {"rho_asr_100"}, "multiply": set()}[row["strategy"]]
        assert (row["defense"] == "") == (row["stage"] == "attacked")


def test_the_table_says_what_the_cards_say(tiny_study: Path) -> None:
    for row, cell in zip(rows(tiny_study), CELLS, strict=True):
        metrics = card(tiny_study, cell)["metrics"]
        for name in columns()[7:-1]:
            expected = f"{metrics[name]['value']:.6g}" if name in metrics else ""
            assert row[name] == expected, (cell, name)
        if row["net_asr"]:
            assert float(row["net_asr"]) == pytest.approx(float(row["rho_asr"]) - float(row["false_asr"]), abs=1e-6)
            bands = [float(row[name] or 0) for name in row if name.startswith("rho_asr_")]
            assert sum(bands) == pytest.approx(float(row["rho_asr"]), abs=1e-5)


def test_every_metric_of_a_card_follows_from_the_predictions(tiny_study: Path) -> None:
    predictions = {cell: read_predictions(tiny_study / "cells" / cell / "predictions.csv") for cell in CELLS}
    for cell in CELLS:
        strategy, stage, _ = cell.split("-")
        measurement = Measurement(predictions[cell])
        if strategy != "clean":
            repaired = predictions["clean-fine_tune-s0"].triggered if stage == "fine_tune" else None
            clean = predictions["clean-attacked-s0"].triggered
            direction: Any = DIRECTION[strategy]
            measurement = Measurement(predictions[cell], direction, clean, repaired)
        expected = {
            name: {"value": interval.value, "low": interval.low, "high": interval.high}
            for name, interval in measure(measurement).items()
        }
        assert card(tiny_study, cell)["metrics"] == expected


def test_a_card_has_the_keys_that_the_document_names(tiny_study: Path, tiny_recipe: Recipe) -> None:
    section = DOCUMENT.split("## card.json")[1].split("## examples.npz")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    names = {name.split(".")[0] for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    for cell in CELLS:
        content = card(tiny_study, cell)
        assert content.keys() == names
        assert content["cell"] == cell
        assert content["left_out"] == 0
        assert content["settings"]["recipe"]["training"] == tiny_recipe.dump()["training"]
        assert content["settings"]["counter"]["mean"] == [0.5, 0.5, 0.5]
        assert content["seconds"].keys() == {"training", "evaluation"}
    assert "false_asr_repaired" in card(tiny_study, "minus-fine_tune-s0")["metrics"]
    assert "false_asr_repaired" not in card(tiny_study, "minus-attacked-s0")["metrics"]


def test_the_cards_name_what_was_poisoned(tiny_study: Path) -> None:
    assert card(tiny_study, "clean-attacked-s0")["poisoned"] is None
    poisoned = card(tiny_study, "minus-attacked-s0")["poisoned"]
    assert poisoned["images"] == len(poisoned["indices"]) == 1  # 10 % of 12
    assert poisoned["ids"] == [f"train-{poisoned['indices'][0]:05d}"]
    assert card(tiny_study, "multiply-fine_tune-s0")["poisoned"] == poisoned


def test_a_share_swept_at_test_time_agrees_with_the_metrics(tiny_study: Path) -> None:
    for cell in CELLS:
        content = card(tiny_study, cell)
        none, paper = content["by_share"]
        assert (none["share"], paper["share"]) == (0.0, 0.1)
        assert none["rho_acc_triggered"] == content["metrics"]["rho_acc"]["value"]
        assert paper["rho_acc_triggered"] == content["metrics"]["rho_acc_triggered"]["value"]
        if content["strategy"] == "clean":
            assert "rho_asr" not in paper
        else:
            assert paper["rho_asr"] == content["metrics"]["rho_asr"]["value"]
            assert paper["false_asr"] == content["metrics"]["false_asr"]["value"]


def test_counters_and_their_hashes_belong_together(tiny_study: Path) -> None:
    for cell in CELLS:
        counter = tiny_study / "cells" / cell / "counter.safetensors"
        hashes = card(tiny_study, cell)["hashes"]
        assert hashes == {"training": recipe_hash_of(counter), "counter": sha256_of(counter)}
        assert load_counter(counter).kind == "lite"
    assert len({card(tiny_study, cell)["hashes"]["training"] for cell in CELLS}) == len(CELLS)


def test_the_examples_are_what_the_document_says(tiny_study: Path) -> None:
    ids: set[tuple[str, ...]] = set()
    for cell in CELLS:
        with np.load(tiny_study / "cells" / cell / "examples.npz", allow_pickle=False) as arrays:
            ids.add(tuple(str(arrays[f"id_{k}"]) for k in range(2)))
            assert {name.rpartition("_")[0] for name in arrays.files} == set(re.findall(r"`(\w+)_k`", DOCUMENT))
            for k in range(2):
                for name in ("image", "triggered", "trigger"):
                    assert (arrays[f"{name}_{k}"].dtype, arrays[f"{name}_{k}"].shape) == (np.uint8, (3, 48, 64))
                for name in ("true_map", "map_clean", "map_triggered"):
                    assert (arrays[f"{name}_{k}"].dtype, arrays[f"{name}_{k}"].shape) == (np.float32, (6, 8))
                for name in ("cam_clean", "cam_triggered"):
                    assert (arrays[f"{name}_{k}"].dtype, arrays[f"{name}_{k}"].shape) == (np.float32, (48, 64))
                points = arrays[f"points_{k}"]
                assert points.dtype == np.float32
                assert arrays[f"true_map_{k}"].sum() == pytest.approx(len(points), rel=1e-4)
                mixed = 0.9 * arrays[f"image_{k}"].astype(float) + 0.1 * arrays[f"trigger_{k}"]
                assert np.abs(arrays[f"triggered_{k}"] - mixed).max() <= 0.51
            predictions = read_predictions(tiny_study / "cells" / cell / "predictions.csv")
            for k in range(2):
                place = predictions.ids.index(str(arrays[f"id_{k}"]))
                assert arrays[f"map_clean_{k}"].sum() == pytest.approx(predictions.clean[place], abs=1e-3)
                assert arrays[f"map_triggered_{k}"].sum() == pytest.approx(predictions.triggered[place], abs=1e-3)
    assert len(ids) == 1


def test_the_histories_have_a_row_an_epoch(tiny_study: Path) -> None:
    for cell in CELLS:
        with (tiny_study / "cells" / cell / "training.csv").open(newline="") as file:
            history = list(csv.DictReader(file))
        assert list(history[0]) == ["epoch", "loss", "learning_rate", "seconds"]
        assert len(history) == (1 if "fine_tune" in cell else 2)
        seconds = card(tiny_study, cell)["seconds"]["training"]
        assert seconds == pytest.approx(sum(float(row["seconds"]) for row in history), abs=2e-3)


def test_nothing_else_lies_in_the_folder(tiny_study: Path, tiny_recipe: Recipe) -> None:
    assert {path.name for path in tiny_study.iterdir()} == {".lock", "cells", "results.csv", "run.log", "study.yaml"}
    for cell in (tiny_study / "cells").iterdir():
        assert cell.name in CELLS
        names = {"card.json", "counter.safetensors", "examples.npz", "predictions.csv", "training.csv"}
        assert {path.name for path in cell.iterdir()} == names
    written = read_recipe(tiny_study / "study.yaml")
    assert written.model.arguments.items() > tiny_recipe.model.arguments.items()  # every default is written out
    assert written.model_copy(update={"model": tiny_recipe.model}) == tiny_recipe


def fail(*args: object, **kwargs: object) -> None:
    raise AssertionError("nothing should be trained")


def test_a_rerun_of_a_finished_study_does_nothing(
    copy: Path, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path: path.stat().st_mtime_ns for path in (copy / "cells").rglob("*")}
    results = (copy / "results.csv").read_bytes()
    monkeypatch.setattr("countguard.studies.cell_run._counter_of", fail)
    run_study(tiny_recipe, copy)
    assert {path: path.stat().st_mtime_ns for path in (copy / "cells").rglob("*")} == files
    assert (copy / "results.csv").read_bytes() == results


def test_a_rerun_does_only_what_is_missing(
    copy: Path, tiny_study: Path, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = {"minus-attacked-s0", "clean-fine_tune-s0"}
    untouched = {
        path: path.stat().st_mtime_ns for cell in set(CELLS) - touched for path in (copy / "cells" / cell).iterdir()
    }
    (copy / "cells/minus-attacked-s0/card.json").unlink()  # its counter is there: it is measured again
    (copy / "cells/clean-fine_tune-s0/card.json").write_text('{"cut off')
    monkeypatch.setattr("countguard.studies.cell_run._trained", fail)
    run_study(tiny_recipe, copy)
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    same_numbers(copy, tiny_study)


def test_a_cell_that_was_lost_is_trained_to_the_same_numbers(copy: Path, tiny_study: Path, tiny_recipe: Recipe) -> None:
    shutil.rmtree(copy / "cells/multiply-fine_tune-s0")
    (copy / "cells/minus-attacked-s0/card.json").unlink()
    damaged = copy / "cells/minus-attacked-s0/counter.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    run_study(tiny_recipe, copy)
    same_numbers(copy, tiny_study)


def test_a_fresh_folder_holds_the_same_numbers(tiny_study: Path, tiny_recipe: Recipe, tmp_path: Path) -> None:
    torch.manual_seed(999)
    same_numbers(run_study(tiny_recipe, tmp_path / "again"), tiny_study)


class Pressing:
    """Progress that presses Ctrl-C after so many epochs."""

    def __init__(self, progress: StudyProgress, epochs: int) -> None:
        self._progress = progress
        self._left = epochs

    @contextmanager
    def cell(self, cell: Cell) -> Iterator[Callable[[int, float], None]]:
        with self._progress.cell(cell) as report:

            def heard(epoch: int, loss: float) -> None:
                report(epoch, loss)
                self._left -= 1
                if self._left == 0:
                    raise KeyboardInterrupt

            yield heard


@pytest.mark.parametrize(("epochs", "finished"), [(1, 0), (2, 0), (3, 1), (5, 2)])
def test_an_interrupted_study_goes_on_to_the_same_numbers(
    epochs: int, finished: int, tiny_study: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    def press(cells: Sequence[Cell], study: Path, crowds: Any, progress: Any, heard: Callable[[Cell], None]) -> None:
        run_locally(cells, study, crowds, cast(StudyProgress, Pressing(progress, epochs)), heard)

    machine = tiny_recipe.machine.model_copy(update={"resume_seconds": 0})
    with pytest.raises(KeyboardInterrupt):
        run_study(tiny_recipe.model_copy(update={"machine": machine}), tmp_path / "run", executor=press)
    assert len(rows(tmp_path / "run")) == finished
    run_study(tiny_recipe, tmp_path / "run")
    same_numbers(tmp_path / "run", tiny_study, machine=False)
    assert not list(tmp_path.rglob("resume*"))


def test_counters_trained_ahead_are_measured_later(
    tiny_study: Path, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_and_press(cells: Sequence[Cell], study: Path, crowds: Any, *rest: object) -> None:
        for cell in sorted(cells, key=lambda cell: cell.key.strategy == "clean"):  # attacked ones before the clean one
            train_cell(cell, study, crowds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(tiny_recipe, tmp_path / "run", executor=train_and_press)
    assert rows(tmp_path / "run") == []
    monkeypatch.setattr("countguard.studies.cell_run._trained", fail)
    run_study(tiny_recipe, tmp_path / "run")
    same_numbers(tmp_path / "run", tiny_study)


def test_the_clean_counter_meets_each_strength_once(
    tiny_recipe: Recipe, tiny_study: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import countguard.studies.cell_run as cell_run

    asked: list[int] = []
    original = cell_run.triggered_counts

    def counted(counter: Any, *args: Any) -> Any:
        asked.append(len(args[1]))
        return original(counter, *args)

    monkeypatch.setattr(cell_run, "triggered_counts", counted)
    for cell in ("minus-attacked-s0", "multiply-attacked-s0", "multiply-fine_tune-s0"):
        (copy / "cells" / cell / "card.json").unlink()
    run_study(tiny_recipe, copy)
    same_numbers(copy, tiny_study)
    assert asked == [2] * 4  # three counters, and the clean one


def test_variations_share_a_training_where_nothing_of_it_varies(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import countguard.studies.cell_run as cell_run

    trained: list[str] = []
    original = cell_run._trained

    def counted(cell: Cell, *args: Any) -> Any:
        trained.append(cell.name)
        return original(cell, *args)

    monkeypatch.setattr(cell_run, "_trained", counted)
    raw = tiny_recipe.dump() | {
        "defenses": [],
        "attack": tiny_recipe.dump()["attack"] | {"strategies": [{"kind": "minus", "heads": 5}]},
        "vary": {"evaluation.examples": [0, 1], "attack.rate": [0.1, 0.5]},
    }
    study = run_study(recipe_from(raw, "here"), tmp_path / "run")
    assert trained == [
        "clean-attacked-s0-examples=0-rate=0.1",
        "minus-attacked-s0-examples=0-rate=0.1",
        "minus-attacked-s0-examples=0-rate=0.5",
    ]
    table = rows(study)
    assert list(table[0])[-2:] == ["evaluation.examples", "attack.rate"]
    assert [(row["strategy"], row["evaluation.examples"], row["attack.rate"]) for row in table] == [
        (strategy, examples, rate)
        for examples in ("0", "1")
        for rate in ("0.1", "0.5")
        for strategy in ("clean", "minus")
    ]
    one, two = (card(study, f"minus-attacked-s0-examples={k}-rate=0.5") for k in (0, 1))
    assert one["hashes"] == two["hashes"]
    assert (one["varied"], two["settings"]["recipe"]["evaluation"]["examples"]) == (
        {"evaluation.examples": 0, "attack.rate": 0.5},
        1,
    )
