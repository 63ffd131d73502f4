"""The cells of a study, each with the recipe of its variant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from countguard.attacks.poisoning import Attack
from countguard.attacks.strategies import Strategy
from countguard.audit.filters import Filter
from countguard.defenses.defense import Defense
from countguard.runs.plan import CLEAN, CellKey, Plan, digest
from countguard.studies.recipe import Recipe
from countguard.studies.relearning import Relearn
from countguard.studies.resolve import variations


@dataclass(frozen=True, eq=False)
class Cell:
    """One counter of a study.

    Attributes:
        key: which one it is.
        recipe: of its variant, in which nothing varies.
    """

    key: CellKey
    recipe: Recipe

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.key.name

    @property
    def needs(self) -> list[str]:
        """Names of the cells that must be finished before this one."""
        return self.key.needs

    @property
    def needs_to_train(self) -> list[str]:
        """Names of those among them whose counters must be trained before this one can be."""
        return self.key.needs_to_train

    @property
    def seed(self) -> int:
        """The seed of everything random in it."""
        return self.key.seed

    @property
    def strategy(self) -> Strategy | None:
        """The strategy; None for the counter that was never attacked."""
        return None if self.key.strategy == CLEAN else self.recipe.attack.strategy(self.key.strategy)

    @property
    def attack(self) -> Attack | None:
        """The whole attack; None for the counter that was never attacked."""
        return None if self.key.strategy == CLEAN else self.recipe.attack.attack(self.key.strategy)

    @property
    def defense(self) -> Defense | None:
        """The repair of a repaired counter; None for one that is trained, or tuned again."""
        return self.recipe.defense(self.key.defense) if self.key.stage == "repaired" else None

    @property
    def relearn(self) -> Relearn | None:
        """How a repaired counter, or one that was never attacked, is tuned again; None for all other counters."""
        return self.recipe.relearn if self.key.stage == "relearned" else None

    @property
    def filter(self) -> Filter | None:
        """The filter of its training set; None for a counter that is trained on the whole of it, or repaired."""
        return self.recipe.filter(self.key.defense) if self.key.stage == "filtered" else None

    @property
    def is_audited(self) -> bool:
        """Whether its poisoned training set is audited for the report."""
        first = self.recipe.attack.strategies[: self.recipe.evaluation.audits]
        return self.key.stage == "attacked" and self.key.strategy in [strategy.name for strategy in first]

    @property
    def training_key(self) -> str:
        """A digest of all that its counter depends on; of a filtered one, if the filter leaves everything in.

        Cells with the same key share a training.
        """
        return self.training_key_on(self.attack)

    def training_key_on(self, attack: Attack | None, left_out: Sequence[int] = ()) -> str:
        """The same, of what is left of a training set.

        Args:
            attack: None where no poisoned image is left.
            left_out: positions that a filter left out.
        """
        recipe, defense = self.recipe.dump(), self.defense
        depends: dict[str, Any] = {name: recipe[name] for name in ("data", "model", "training")}
        depends["seed"] = self.seed
        if attack is not None and (defense is None or not defense.starts_anew):
            depends["attack"] = attack.model_dump(mode="json")
        if left_out:
            depends["left_out"] = list(left_out)
        if defense is not None:
            depends["defense"] = defense.model_dump(mode="json")
        if (relearn := self.relearn) is not None and (start := self.key.starts_from) is not None:
            depends["relearn"] = relearn.model_dump(mode="json")
            depends["starts_from"] = Cell(start, self.recipe).training_key
        return digest(depends)


def cells_of(recipe: Recipe) -> Iterator[Cell]:
    """All cells of a study in the order in which they run: each comes after those that it needs.

    Raises:
        InputError: there are too many, a varied name is no setting, or a value does not fit.
    """
    Plan.of(recipe.dump())  # refuses billions before they are counted one by one
    for varied, variant in variations(recipe):
        for key in Plan.of(variant.dump()).cells(tuple(varied.items())):
            yield Cell(key, variant)
