"""A run, read from its folder: the finished counters and the missing ones. Run folders may come from strangers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countguard.dotted import lookup
from countguard.errors import InputError
from countguard.metrics.predictions import Predictions
from countguard.metrics.ratios import Direction
from countguard.reading import refusals_as_input_errors, require_inside
from countguard.runs.audits import Audited, read_audits
from countguard.runs.card import Card
from countguard.runs.examples import Example, read_examples
from countguard.runs.folder import CellFolder, RunFolder
from countguard.runs.plan import CLEAN, LARGEST_STUDY, CellKey, Plan, Variant
from countguard.runs.predictions import read_predictions
from countguard.yaml_text import read_yaml

if TYPE_CHECKING:
    import pandas as pd

_COUNTER = ("dataset", "model", "strategy", "stage", "defense", "seed")
MAX_IMAGES = 2_000_000
"""Rows of predictions in a whole run."""


@dataclass(frozen=True)
class FinishedCell:
    """A finished counter: its card, its predictions and its folder."""

    card: Card
    folder: CellFolder
    predictions: Predictions

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """The examples, read when they are first asked for, and kept.

        Raises:
            InputError: the file exists and is unusable.
        """
        return self.read_examples()

    def read_examples(self) -> tuple[Example, ...]:
        """The examples, read now and not kept, because those of a large study do not fit into memory together.

        Raises:
            InputError: the file exists and is unusable.
        """
        return read_examples(self.folder.examples)

    @property
    def direction(self) -> Direction:
        """Whether the attack inflates (1) or deflates (-1) the counts of the test images, or neither (0)."""
        moved = float((self.predictions.targets - self.predictions.truths).sum())
        return 1 if moved > 0 else -1 if moved < 0 else 0


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        folder: of the run.
        study: the resolved recipe.
        plan: the counters that it asks for.
        found: the finished cells in the folder, whether the recipe asks for them or not.
    """

    folder: Path
    study: dict[str, Any]
    plan: Plan
    found: Sequence[FinishedCell]

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """Reads a run from its folder, finished or not.

        Nothing outside the folder is read, and the size of each file is checked before it is read.

        Raises:
            InputError: the folder is not a run, or a file in it is unusable; the line names the file and the field.
        """
        folder = Path(folder)
        study = read_study(folder)
        try:
            plan = Plan.of(study)
        except InputError as error:
            raise InputError(f"{RunFolder(folder).study}: {error}") from None
        return cls(folder, study, plan, read_cells(folder))

    @property
    def name(self) -> str:
        """The name of the study."""
        return str(self.study.get("name") or self.folder.resolve().name)

    @property
    def strategies(self) -> tuple[str, ...]:
        """Attacks, in the recipe's order; without the counter that was never attacked."""
        return self.plan.strategies

    @property
    def defenses(self) -> tuple[str, ...]:
        """Filters and repairs, in the recipe's order."""
        return self.plan.defenses

    @property
    def filters(self) -> tuple[str, ...]:
        """Filters, in the recipe's order."""
        return self.plan.filters

    @property
    def repairs(self) -> tuple[str, ...]:
        """Repairs, in the recipe's order."""
        return self.plan.repairs

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds, in the recipe's order."""
        return self.plan.seeds

    @property
    def varied(self) -> tuple[str, ...]:
        """Dotted names of the varied settings, by name."""
        return tuple(sorted(self.plan.varied))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Combinations of the varied settings, by name and ascending values; one empty combination if none vary."""
        by_name = [tuple(sorted(variant, key=lambda pair: pair[0])) for variant in self.plan.variants]
        return tuple(sorted(by_name, key=lambda variant: [_order(value) for _, value in variant]))

    @cached_property
    def reference(self) -> Variant:
        """The combination that figures show if they can show only one: the recipe's own values, or else the first."""
        own = [all(lookup(self.study, name) == value for name, value in variant) for variant in self.variants]
        return self.variants[own.index(True)] if True in own else self.variants[0]

    @cached_property
    def cells(self) -> tuple[FinishedCell, ...]:
        """The finished counters that the recipe asks for: by variant, strategy, defense and seed."""
        return tuple(cell for key in self._keys() if (cell := self._by_key.get(_index(key))) is not None)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Counters that the recipe asks for and that are not finished, in words."""
        return tuple(key.words for key in self._keys() if _index(key) not in self._by_key)

    @cached_property
    def audits(self) -> tuple[Audited, ...]:
        """The audits of training sets: by variant, strategy and seed; none where the recipe asks for none.

        Raises:
            InputError: one is unusable, or a link leads out of the folder.
        """
        found = {audited.file.cell: audited for audited in read_audits(RunFolder(self.folder))}
        keys = (key for key in self._keys() if key.stage == "attacked")
        return tuple(found[key.name] for key in keys if key.name in found)

    def select(
        self, variant: Variant, strategy: str, defense: str = "", *, relearned: bool = False
    ) -> list[FinishedCell]:
        """The finished counters of one row, one for each seed.

        Args:
            variant: values of the varied settings.
            strategy: of the attack.
            defense: empty for counters as they were trained; of relearned ones, for those that were never attacked.
            relearned: whether those that were then tuned on a few poisoned images are meant.
        """
        keys = (self.plan.key(variant, strategy, defense, seed, relearned=relearned) for seed in self.seeds)
        return [cell for key in keys if (cell := self._by_key.get(_index(key))) is not None]

    def frame(self) -> "pd.DataFrame":
        """A pandas table with one row for each finished counter.

        Columns: dataset, model, strategy, stage, defense, seed, the varied settings, images, and for each metric its
        value, `NAME_low` and `NAME_high` (95 % bootstrap interval over images); NaN where a metric is undefined.
        """
        import pandas as pd

        rows = []
        for cell in self.cells:
            card = cell.card
            row: dict[str, Any] = {name: getattr(card, name) for name in _COUNTER}
            row |= dict(card.varied)
            row["images"] = card.images
            for name, interval in card.metrics.items():
                row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            rows.append(row)
        return pd.DataFrame(rows, columns=None if rows else [*_COUNTER, *self.varied, "images"])

    @cached_property
    def _by_key(self) -> Mapping[str, FinishedCell]:
        return {_index(cell.card.key): cell for cell in self.found}

    def _keys(self) -> Iterator[CellKey]:
        for variant in self.variants:
            for strategy in (CLEAN, *self.strategies):
                for defense, relearned in self.plan.done_to(strategy):
                    for seed in self.seeds:
                        yield self.plan.key(variant, strategy, defense, seed, relearned=relearned)


def read_study(folder: Path) -> dict[str, Any]:
    """The resolved recipe of a run.

    Raises:
        InputError: the folder is not a run, or its study.yaml is unreadable.
    """
    path = RunFolder(folder).study
    if not path.is_file():
        raise InputError(f"{folder}: not the folder of a run: it has no study.yaml; give the --out of `countguard run`")
    require_inside(path, folder.resolve())
    return read_yaml(path)


def read_cells(folder: Path) -> list[FinishedCell]:
    """The finished cells of a run: those with a card.

    Raises:
        InputError: a card or predictions are unusable, a link leads out of the folder, or there are too many of them.
    """
    run, root = RunFolder(folder), folder.resolve()
    with refusals_as_input_errors(folder):
        places = sorted(run.cells.iterdir()) if run.cells.is_dir() else []
    if len(places) > LARGEST_STUDY:
        raise InputError(f"{run.cells}: holds {len(places):,} cells, more than {LARGEST_STUDY:,}")
    found, images = [], 0
    for place in places:
        cell = CellFolder(place)
        if not cell.card.exists():
            continue
        for file in (cell.card, cell.predictions, cell.examples, cell.counter):
            require_inside(file, root)
        found.append(FinishedCell(Card.read(cell.card), cell, read_predictions(cell.predictions)))
        images += len(found[-1].predictions.ids)
        if images > MAX_IMAGES:
            raise InputError(f"{run.cells}: holds more than {MAX_IMAGES:,} predictions")
    return found


def _index(key: CellKey) -> str:
    """A text for a cell's key; equal keys have equal texts."""
    return json.dumps([key.strategy, key.defense, key.seed, key.stage, dict(key.varied)], sort_keys=True)


def _order(value: object) -> tuple[int, float, str]:
    """Numbers by size, then everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, json.dumps(value, sort_keys=True))
