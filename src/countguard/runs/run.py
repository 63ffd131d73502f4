"""A run as tables and figures look at it: which counters there are, and which are missing."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from countguard.runs.card import CLEAN, Cell, read_cells, read_study

Stage = Literal["attacked", "repaired"]
Variant = tuple[tuple[str, Any], ...]
"""Values of the settings that a recipe varies: pairs of dotted name and value, by name."""


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        folder: of the run.
        study: the resolved recipe.
        found: the finished cells in the folder, whether the recipe asks for them or not.
    """

    folder: Path
    study: dict[str, Any]
    found: Sequence[Cell]

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
        return tuple(entry_name(entry) for entry in _entries(self.study, "attack.strategies"))

    @cached_property
    def defenses(self) -> tuple[str, ...]:
        """Repairs, in the recipe's order."""
        return tuple(entry_name(entry) for entry in _entries(self.study, "defenses"))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds, in the recipe's order."""
        return tuple(_entries(self.study, "seeds"))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Combinations of the settings that the recipe varies, ascending; one empty one where it varies none."""
        vary = lookup(self.study, "vary") or {}
        names = sorted(vary)
        return tuple(
            tuple(zip(names, values, strict=True))
            for values in itertools.product(*(sorted(vary[name], key=_order) for name in names))
        )

    @property
    def reference(self) -> Variant:
        """The combination that figures show where they can show one: the recipe's own values, or else the first."""
        own = [all(lookup(self.study, name) == value for name, value in variant) for variant in self.variants]
        return self.variants[own.index(True)] if True in own else self.variants[0]

    @property
    def varied(self) -> tuple[str, ...]:
        """Dotted names of the varied settings."""
        return tuple(name for name, _ in self.variants[0])

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The finished counters that the recipe asks for, in its order."""
        return tuple(
            cell
            for variant in self.variants
            for strategy in (CLEAN, *self.strategies)
            for defense in ("", *self.defenses)
            for cell in self.select(variant, strategy, defense)
        )

    def select(self, variant: Variant, strategy: str, defense: str = "") -> list[Cell]:
        """The finished counters of one row, a seed each; `defense` is empty for counters as they were trained."""
        wanted = (strategy, defense, dict(variant))
        cells = [cell for cell in self.found if (cell.card.strategy, cell.card.defense, cell.card.varied) == wanted]
        return sorted(
            (cell for cell in cells if cell.card.seed in self.seeds), key=lambda cell: self.seeds.index(cell.card.seed)
        )

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Counters that the recipe asks for and that are not finished, in words."""
        gaps = []
        for variant in self.variants:
            for strategy in (CLEAN, *self.strategies):
                for defense in ("", *self.defenses):
                    done = {cell.card.seed for cell in self.select(variant, strategy, defense)}
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


def entry_named(entries: object, name: str) -> dict[str, Any]:
    """The attack or repair that results call by this name; empty where there is none."""
    listed = entries if isinstance(entries, list) else []
    return next((entry for entry in listed if isinstance(entry, dict) and entry_name(entry) == name), {})


def lookup(recipe: object, dotted: str) -> Any:
    """The value at a dotted name such as `attack.trigger.alpha` or `defenses.0.epochs`; None where there is none."""
    for part in dotted.split("."):
        if isinstance(recipe, list) and part.isdecimal() and int(part) < len(recipe):
            recipe = recipe[int(part)]
        else:
            recipe = recipe.get(part) if isinstance(recipe, dict) else None
    return recipe


def _entries(study: dict[str, Any], name: str) -> list[Any]:
    entries = lookup(study, name)
    return entries if isinstance(entries, list) else []


def _order(value: object) -> tuple[bool, float, str]:
    """Numbers by size, then everything else by its text."""
    return (False, float(value), "") if isinstance(value, int | float) else (True, 0.0, str(value))
