"""card.json: everything that is known about one finished counter, written and read by the same class."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from countguard.errors import InputError
from countguard.metrics.intervals import Interval
from countguard.reading import read_file
from countguard.runs.plan import CellKey, Stage
from countguard.settings import first_error
from countguard.writing import write_atomically

LARGEST = 16 << 20
"""Bytes of a card; a card with the names of 100,000 poisoned images has a tenth of them."""

Name = Annotated[str, Field(max_length=200)]


def _finite(interval: Interval) -> Interval:
    if not all(map(math.isfinite, (interval.value, interval.low, interval.high))):
        raise ValueError("value, low and high should be finite numbers")
    return interval


class _Part(BaseModel):
    """Part of a card. Keys that a later version adds are no error."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class StrengthRow(_Part):
    """Rates at one strength of the trigger (the key `share` in the file); absent if undefined."""

    share: float
    rho_asr: float | None = None
    false_asr: float | None = None
    rho_acc_triggered: float | None = None

    @model_serializer(mode="wrap")
    def _defined(self, handler: SerializerFunctionWrapHandler) -> dict[str, float]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Poisoned(_Part):
    """The poisoned training images: their positions in the training set, and their names."""

    indices: Annotated[list[int], Field(max_length=1_000_000)] = []
    ids: Annotated[list[Name], Field(max_length=1_000_000)] = []
    images: int = 0


class LeftOut(_Part):
    """What a filter left out of a training set, or the training itself by `training.isolate`.

    Attributes:
        images: of the set as it was given.
        removed: left out.
        poisoned, clean: how many of those left out were poisoned, and how many were clean.
        same_as: the cell, if there is one, that was trained on what is left, and whose counter this cell takes over.
    """

    images: Annotated[int, Field(ge=0)]
    removed: Annotated[int, Field(ge=0)]
    poisoned: Annotated[int, Field(ge=0)]
    clean: Annotated[int, Field(ge=0)]
    same_as: Name = ""


class Card(_Part):
    """`card.json` (docs/reference/run-folder.md says what each field holds)."""

    cell: Name
    dataset: Name
    model: Name
    strategy: Name
    stage: Stage
    defense: Name = ""
    seed: int
    varied: Annotated[dict[Name, JsonValue], Field(max_length=100)] = {}
    images: Annotated[int, Field(ge=0)]
    left_out: Annotated[int, Field(ge=0)] = 0
    metrics: Annotated[dict[Name, Annotated[Interval, AfterValidator(_finite)]], Field(max_length=1000)]
    by_share: Annotated[list[StrengthRow], Field(max_length=1000)] = []
    poisoned: Poisoned | None = None
    filtered: LeftOut | None = None
    isolated: LeftOut | None = None
    settings: dict[str, JsonValue] = {}
    hashes: dict[Name, Name] = {}
    versions: dict[Name, Name] = {}
    device: Name = ""
    seconds: dict[Name, float] = {}

    @model_serializer(mode="wrap")
    def _without_what_was_not_left_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Every field; `filtered` and `isolated` only in the cards of counters that were trained on less."""
        left_out = ("filtered", "isolated")
        return {name: value for name, value in handler(self).items() if name not in left_out or value is not None}

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe of this cell."""
        recipe = self.settings.get("recipe")
        return recipe if isinstance(recipe, dict) else {}

    @property
    def key(self) -> CellKey:
        """Which counter of its study this card describes."""
        return CellKey(
            self.strategy, self.defense, self.seed, self.varied, self.stage == "filtered", self.stage == "relearned"
        )

    def write(self, path: Path) -> None:
        """Writes the card, completely or not at all. It is the last file of a cell: a cell with a card is finished."""
        content = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False)
        write_atomically(path, content + "\n")

    @classmethod
    def read(cls, path: Path) -> "Card":
        """Reads a card.

        Raises:
            InputError: the file is missing, no plain file, too large, or a field is wrong; names the field.
        """
        try:
            return cls.model_validate_json(read_file(path, LARGEST))
        except ValidationError as error:
            raise InputError(f"{path}: {first_error(error)}; delete the cell's folder and run again") from None


def read_finished(path: Path) -> Card | None:
    """The card of a finished cell; None if it is missing or damaged, so that the cell is run again."""
    try:
        return Card.read(path)
    except InputError:
        return None
