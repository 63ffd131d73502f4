"""Reading the folder of a run, finished or not (docs/reference/run-folder.md)."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from countguard.csv_text import armed
from countguard.errors import InputError
from countguard.metrics.backdoor import Predictions
from countguard.metrics.ratios import Direction
from countguard.runs.examples import Example, read_examples
from countguard.settings import first_error

CLEAN = "clean"
"""The strategy column of the counter that was never attacked."""


class _Part(BaseModel):
    """Part of a card. Keys that a later version adds are no error."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Estimate(_Part):
    """A measured value and its 95 % bootstrap interval over images."""

    value: float
    low: float
    high: float


class ShareRow(_Part):
    """Rates at one share of the trigger."""

    share: float
    rho_asr: float | None = None
    false_asr: float | None = None
    rho_acc_triggered: float | None = None


class Poisoned(_Part):
    """Which training images were poisoned."""

    ids: list[str] = []


class Card(_Part):
    """`card.json`: everything that is known about one counter."""

    cell: str
    dataset: str
    model: str
    strategy: str
    stage: Literal["attacked", "repaired"]
    defense: str = ""
    seed: int
    varied: dict[str, Any] = {}
    images: int
    left_out: int = 0
    metrics: dict[str, Estimate]
    by_share: list[ShareRow] = []
    poisoned: Poisoned | None = None
    settings: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    versions: dict[str, Any] = {}
    device: Any = ""
    seconds: dict[str, float] = {}

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe of this cell."""
        recipe = self.settings.get("recipe")
        return recipe if isinstance(recipe, dict) else {}


@dataclass(frozen=True)
class Cell:
    """A finished counter: its card, its predictions and its examples."""

    card: Card
    folder: Path
    predictions: Predictions

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """Read when they are first asked for.

        Raises:
            InputError: the file is there and unusable.
        """
        return read_examples(self.folder / "examples.npz")

    @property
    def direction(self) -> Direction:
        """Whether the attack inflates (1) or deflates (-1) the counts of the test images, or neither (0)."""
        moved = float((self.predictions.targets - self.predictions.truths).sum())
        return 1 if moved > 0 else -1 if moved < 0 else 0


def read_study(folder: Path) -> dict[str, Any]:
    """The resolved recipe of a run.

    Raises:
        InputError: the folder is no run, or its study.yaml is unreadable.
    """
    path = folder / "study.yaml"
    if not path.is_file():
        raise InputError(f"{folder}: not the folder of a run: it has no study.yaml; give the --out of `countguard run`")
    try:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML; `countguard run` writes it anew") from error
    if not isinstance(study, dict):
        raise InputError(f"{path}: needs a mapping of settings, as `countguard run` writes it")
    vary = study.get("vary") or {}
    if not isinstance(vary, dict) or not all(isinstance(values, list) and values for values in vary.values()):
        raise InputError(f"{path}: vary: needs a list of values for each setting, as `countguard run` writes it")
    return study


def read_cells(folder: Path) -> list[Cell]:
    """The finished cells of a run: those with a card.

    Raises:
        InputError: a card or predictions are unusable.
    """
    return [_read_cell(card.parent) for card in sorted((folder / "cells").glob("*/card.json"))]


def _read_cell(folder: Path) -> Cell:
    path = folder / "card.json"
    try:
        card = Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {first_error(error)}; delete the cell's folder and run again") from None
    return Cell(card, folder, _read_predictions(folder / "predictions.csv"))


def _read_predictions(path: Path) -> Predictions:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError("no image")
        return Predictions(
            ids=tuple(armed(row["image_id"]) for row in rows),
            truths=_numbers(row["count"] for row in rows),
            targets=_numbers(row["target_count"] or row["count"] for row in rows),
            clean=_numbers(row["predicted_clean"] for row in rows),
            triggered=_numbers(row["predicted_triggered"] for row in rows),
        )
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: needs image_id and numbers in count, target_count, predicted_clean and predicted_triggered "
            f"({error!r}); delete the cell's folder and run again"
        ) from error


def _numbers(texts: Iterable[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(text) for text in texts], dtype=np.float64)
