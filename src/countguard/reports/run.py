"""A run as tables and figures look at it: which counters there are, and which are missing."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from countguard.reports.run_folder import CLEAN, Cell, read_cells, read_study

Stage = Literal["attacked", "repaired"]
Variant = tuple[tuple[str, Any], ...]
"""Values of the settings that a recipe varies: pairs of dotted name and value, by name."""


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        folder: of the run.
        study: the resolved recipe.
        cells: those that are finished.
    """

    folder: Path
    study: dict[str, Any]
    cells: Sequence[Cell]

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Reads a run from its folder.

        Raises:
            InputError: the folder is no run, or a file in it is unusable.
        """
        return cls(folder, read_study(folder), read_cells(folder))

    @property
    def name(self) -> str:
        """What the recipe calls itself."""
        return str(self.study.get("name") or self.folder.resolve().name)

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """Attacks, in the recipe's order; without the counter that was never attacked."""
        planned = [entry_name(entry) for entry in _entries(self.study, "attack", "strategies")]
        found = sorted({cell.card.strategy for cell in self.cells} - {CLEAN})
        return tuple(dict.fromkeys([*planned, *found]))

    @cached_property
    def defenses(self) -> tuple[str, ...]:
        """Repairs, in the recipe's order."""
        planned = [entry_name(entry) for entry in _entries(self.study, "defenses")]
        found = sorted({cell.card.defense for cell in self.cells} - {""})
        return tuple(dict.fromkeys([*planned, *found]))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds, planned or found, ascending."""
        planned = self.study.get("seeds")
        return tuple(sorted({*(planned if isinstance(planned, list) else []), *(c.card.seed for c in self.cells)}))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Combinations of the settings that the recipe varies, ascending; one empty one where it varies none."""
        vary = lookup(self.study, "vary")
        if not isinstance(vary, dict) or not all(isinstance(values, list) for values in vary.values()):
            return ((),)
        names = sorted(vary)
        return tuple(
            tuple(zip(names, values, strict=True))
            for values in itertools.product(*(sorted(vary[name], key=_order) for name in names))
        )

    @property
    def varied(self) -> tuple[str, ...]:
        """Dotted names of the varied settings."""
        return tuple(name for name, _ in self.variants[0])

    def select(self, variant: Variant, strategy: str, stage: Stage, defense: str = "") -> list[Cell]:
        """The finished counters of one row, a seed each, by seed.

        A counter whose card leaves out a varied setting that does not touch it belongs to all its values.
        """
        wanted = (strategy, stage, defense)
        cells = [
            cell
            for cell in self.cells
            if (cell.card.strategy, cell.card.stage, cell.card.defense) == wanted and _holds(_variant(cell), variant)
        ]
        return sorted(cells, key=lambda cell: cell.card.seed)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Counters that the recipe asks for and that are not finished, in words."""
        counters: list[tuple[Stage, str]] = [("attacked", ""), *(("repaired", name) for name in self.defenses)]
        gaps = []
        for variant in self.variants:
            for strategy in (CLEAN, *self.strategies):
                for stage, defense in counters:
                    done = {cell.card.seed for cell in self.select(variant, strategy, stage, defense)}
                    where = f", {variant_text(variant)}" if variant else ""
                    label = f"repaired by {defense}" if defense else "as trained"
                    gaps += [f"{strategy}, {label}, seed {seed}{where}" for seed in self.seeds if seed not in done]
        return tuple(gaps)


def variant_text(variant: Variant) -> str:
    """A combination of varied settings in words."""
    return ", ".join(f"{name} = {value}" for name, value in variant)


def entry_name(entry: object) -> str:
    """What results call an attack or a repair of the recipe: its label where it has one, else its kind."""
    return str((entry.get("label") or entry.get("kind")) if isinstance(entry, dict) else entry)


def lookup(recipe: object, dotted: str) -> Any:
    """The value at a dotted name such as `attack.trigger.alpha`; None where there is none."""
    for part in dotted.split("."):
        recipe = recipe.get(part) if isinstance(recipe, dict) else None
    return recipe


def _entries(study: dict[str, Any], *path: str) -> list[Any]:
    entries = lookup(study, ".".join(path))
    return entries if isinstance(entries, list) else []


def _variant(cell: Cell) -> Variant:
    return tuple(sorted(cell.card.varied.items()))


def _holds(part: Variant, whole: Variant) -> bool:
    return all(pair in whole for pair in part)


def _order(value: object) -> tuple[bool, float, str]:
    """Numbers by size, then everything else by its text."""
    is_number = isinstance(value, int | float)
    return (False, float(value), "") if is_number else (True, 0.0, str(value))
