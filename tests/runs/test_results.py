"""results.csv holds the finished counters, in the order of the study."""

import csv
import json
from pathlib import Path
from typing import Any

from countguard.metrics.intervals import Interval
from countguard.runs.card import Card
from countguard.runs.plan import CellKey
from countguard.runs.results import columns, write_results


def card(key: CellKey, **metrics: float) -> Card:
    return Card(
        cell=key.name,
        dataset="a, b",
        model="lite",
        strategy=key.strategy,
        stage=key.stage,
        defense=key.defense,
        seed=key.seed,
        varied=dict(key.varied),
        images=3,
        metrics={name: Interval(value, value, value) for name, value in metrics.items()},
        seconds={"training": 1.004, "evaluation": 2.0},
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns_are_the_contracts(tmp_path: Path) -> None:
    assert columns() == (
        "dataset", "model", "strategy", "stage", "defense", "seed", "images", "mae", "rmse", "rho_acc", "rho_asr",
        "rho_asr_10_30", "rho_asr_30_50", "rho_asr_50_100", "rho_asr_100", "false_asr", "net_asr", "rho_acc_triggered",
        "shift", "seconds",
    )  # fmt: skip
    write_results(tmp_path / "results.csv", [], [])
    assert table(tmp_path / "results.csv") == []


def test_each_card_is_a_row_in_the_order_given(tmp_path: Path) -> None:
    cards = [card(CellKey("clean", "", 0)), card(CellKey("minus", "fine_tune", 0), mae=1.23456789, rho_acc=0.5)]
    write_results(tmp_path / "results.csv", cards, [])
    first, second = table(tmp_path / "results.csv")
    assert (first["strategy"], first["stage"], first["defense"]) == ("clean", "attacked", "")
    assert (second["strategy"], second["stage"], second["defense"]) == ("minus", "repaired", "fine_tune")
    assert (second["mae"], second["rho_acc"], second["rho_asr"], second["seconds"]) == ("1.23457", "0.5", "", "3")
    assert first["dataset"] == "a, b"


def test_varied_settings_are_the_last_columns(tmp_path: Path) -> None:
    kernels: list[Any] = [{"kind": "fixed", "sigma": 2.0}, None]
    cards = [card(CellKey("clean", "", 0, {"training.lr": 1e-5, "data.kernel": kernel})) for kernel in kernels]
    write_results(tmp_path / "results.csv", cards, ["training.lr", "data.kernel"])
    header = (tmp_path / "results.csv").read_text().splitlines()[0].split(",")
    assert header == [*columns(), "training.lr", "data.kernel"]
    assert [row["training.lr"] for row in table(tmp_path / "results.csv")] == ["1e-05", "1e-05"]
    assert [row["data.kernel"] for row in table(tmp_path / "results.csv")] == [json.dumps(kernels[0]), ""]
