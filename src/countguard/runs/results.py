"""Cards and results.csv: what a finished cell says of itself, and the table of all of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countguard.csv_text import Field, Number, csv_lines
from countguard.writing import write_atomically
from countguard.studies.cells import Cell

METRICS = (
    "mae",
    "rmse",
    "rho_acc",
    "rho_asr",
    "rho_asr_10_30",
    "rho_asr_30_50",
    "rho_asr_50_100",
    "rho_asr_100",
    "false_asr",
    "net_asr",
    "rho_acc_triggered",
    "shift",
)
COLUMNS = ("dataset", "model", "strategy", "stage", "defense", "seed", "images", *METRICS, "seconds")


def write_card(card: dict[str, Any], folder: Path) -> None:
    """Writes card.json into a cell's folder: the last file of a cell, whose presence says that it is finished."""
    write_atomically(folder / "card.json", json.dumps(card, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_card(folder: Path) -> dict[str, Any] | None:
    """A finished cell's card; None where the cell is not finished."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None


def write_results(study: Path, cells: Sequence[Cell]) -> None:
    """Writes results.csv from the cards of the cells that are finished, in the order of the study."""
    varied = list(dict.fromkeys(name for cell in cells for name in cell.varied))
    rows: list[list[Field]] = [[*COLUMNS, *varied]]
    for cell in cells:
        card = read_card(study / "cells" / cell.name)
        if card is not None:
            rows.append([*_row(card), *(_written(card["varied"].get(name)) for name in varied)])
    write_atomically(study / "results.csv", csv_lines(rows))


def _row(card: dict[str, Any]) -> list[Field]:
    fields = {**card, **{name: metric["value"] for name, metric in card["metrics"].items()}}
    fields["seconds"] = round(sum(card["seconds"].values()), 2)
    return [_written(fields.get(name)) for name in COLUMNS]


def _written(value: Any) -> Field:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return Number(f"{value:.6g}")
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
