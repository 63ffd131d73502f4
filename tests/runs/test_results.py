"""Cards say which cells are finished; the table holds those, in the order of the study."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from countguard.studies.cells import Cell, cells_of
from countguard.studies.resolve import recipe_from, variations
from countguard.runs.results import COLUMNS, read_card, write_card, write_results
from raw_recipe import raw_recipe


def cells(**changes: Any) -> list[Cell]:
    recipe = recipe_from(raw_recipe(**changes), "here")
    return [cell for varied, variation in variations(recipe) for cell in cells_of(variation, varied)]


def finish(cell: Cell, study: Path, **metrics: float) -> None:
    folder = study / "cells" / cell.name
    folder.mkdir(parents=True)
    card = {name: getattr(cell, name) for name in ("strategy", "stage", "defense", "seed", "varied")}
    card |= {"dataset": "a, b", "model": "lite", "images": 3, "seconds": {"training": 1.004, "evaluation": 2.0}}
    card["metrics"] = {name: {"value": value, "low": value, "high": value} for name, value in metrics.items()}
    write_card(card, folder)


def table(study: Path) -> list[dict[str, str]]:
    with (study / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_only_finished_cells_are_in_the_table_in_the_order_of_the_study(tmp_path: Path) -> None:
    plan = cells()
    write_results(tmp_path, plan)
    assert table(tmp_path) == []
    for cell in (plan[3], plan[0]):
        finish(cell, tmp_path, mae=1.23456789, rho_acc=0.5)
    write_results(tmp_path, plan)
    first, second = table(tmp_path)
    assert (first["strategy"], first["stage"], first["defense"]) == ("clean", "attacked", "")
    assert (second["strategy"], second["stage"], second["defense"]) == ("minus", "repaired", "fine_tune")
    assert (first["mae"], first["rho_acc"], first["rho_asr"], first["seconds"]) == ("1.23457", "0.5", "", "3")
    assert first["dataset"] == "a, b"


def test_varied_settings_are_the_last_columns(tmp_path: Path) -> None:
    kernels = [{"kind": "fixed", "sigma": 2.0}, None]
    plan = cells(vary={"training.lr": [1e-5], "data.kernel": kernels}, defenses=[])
    for cell in plan:
        finish(cell, tmp_path)
    write_results(tmp_path, plan)
    assert (tmp_path / "results.csv").read_text().splitlines()[0].split(",") == [*COLUMNS, "training.lr", "data.kernel"]
    assert {row["training.lr"] for row in table(tmp_path)} == {"1e-05"}
    assert [row["data.kernel"] for row in table(tmp_path)] == [json.dumps(kernels[0])] * 3 + [""] * 3


@pytest.mark.parametrize("content", [None, "", '{"cell": ', "[]", "nonsense", b"\xff"])
def test_a_cell_without_a_whole_card_is_not_finished(content: str | bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "card.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_card(tmp_path) is None


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    card = {"b": [1, 2.5, None], "a": {"ü": "ß"}}
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card
    with pytest.raises(ValueError, match="JSON compliant"):
        write_card({"a": float("nan")}, tmp_path)
    assert read_card(tmp_path) == card
