"""The cells of a study: one counter each, and what each needs to be there first."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from countguard.studies.recipe import CLEAN, Recipe


@dataclass(frozen=True, eq=False)
class Cell:
    """One counter of a study.

    Attributes:
        recipe: of its variation: nothing in it varies.
        strategy: by which it was attacked; `clean` for the counter that never was.
        defense: by which it was repaired; empty as trained.
        seed: of everything random in it.
        varied: the settings that tell this variation from the others.
    """

    recipe: Recipe
    strategy: str
    defense: str
    seed: int
    varied: dict[str, JsonValue]

    @property
    def stage(self) -> Literal["attacked", "repaired"]:
        """As results call it; a clean counter as it was trained is `attacked`, too."""
        return "repaired" if self.defense else "attacked"

    @property
    def name(self) -> str:
        """A folder's name: strategy, stage or defense, seed, and the varied settings."""
        settings = [f"{_slug(name.split('.')[-1])}={_slug(value)}" for name, value in self.varied.items()]
        name = "-".join([self.strategy, self.defense or "attacked", f"s{self.seed}", *settings])
        if len(name) <= 120:
            return name
        return f"{name[:100]}-{_digest(self.varied)[:12]}"

    @property
    def clean_counter(self) -> "Cell":
        """The never attacked, unrepaired counter of the same variation and seed."""
        return Cell(self.recipe, CLEAN, "", self.seed, self.varied)

    @property
    def repaired_clean_counter(self) -> "Cell":
        """The never attacked counter, repaired in the same way."""
        return Cell(self.recipe, CLEAN, self.defense, self.seed, self.varied)

    @property
    def attacked_counter(self) -> "Cell":
        """The counter that this cell repairs."""
        return Cell(self.recipe, self.strategy, "", self.seed, self.varied)

    @property
    def needs(self) -> list[str]:
        """Names of the cells that must be finished before this one."""
        needed = [self.clean_counter]
        if self.defense:
            needed += [self.attacked_counter, self.repaired_clean_counter]
        return list(dict.fromkeys(cell.name for cell in needed if cell.name != self.name))

    @property
    def training_key(self) -> str:
        """A digest of all that the counter of this cell depends on; cells of one key share one training."""
        recipe = self.recipe
        depends: dict[str, Any] = {
            "seed": self.seed,
            "data": recipe.data.model_dump(mode="json"),
            "model": recipe.model.model_dump(mode="json"),
            "training": recipe.training.model_dump(mode="json"),
        }
        if self.strategy != CLEAN:
            depends["attack"] = recipe.attack.attack(self.strategy).model_dump(mode="json")
        if self.defense:
            depends["defense"] = recipe.defense(self.defense).model_dump(mode="json")
        return _digest(depends)


def cells_of(variation: Recipe, varied: dict[str, JsonValue]) -> list[Cell]:
    """All cells of one variation, each after those that it needs."""
    strategies = [CLEAN, *(strategy.name for strategy in variation.attack.strategies)]
    defenses = ["", *(defense.name for defense in variation.defenses)]
    return [
        Cell(variation, strategy, defense, seed, varied)
        for seed in variation.seeds
        for strategy in strategies
        for defense in defenses
    ]


def _slug(value: object) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    slug = re.sub(r"[^A-Za-z0-9._+]+", "_", text).strip("_.") or "none"
    return slug if len(slug) <= 32 else f"{slug[:20]}_{_digest(text)[:8]}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
