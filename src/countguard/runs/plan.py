"""Which counters a study asks for, what each is called, and what it needs first: told from its resolved recipe."""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import JsonValue

from countguard.dotted import lookup
from countguard.errors import InputError

CLEAN = "clean"
"""What results call the counter that was never attacked."""
NEVER_ATTACKED = "never_attacked"
"""In the name of its cell, where it was tuned on a few poisoned images of a strategy."""
LARGEST_STUDY = 10_000
"""Cells; a recipe that varies a few settings too many asks for billions."""

Stage: TypeAlias = Literal["attacked", "filtered", "repaired", "relearned"]
Variant: TypeAlias = tuple[tuple[str, Any], ...]
"""Values of the settings that a recipe varies: pairs of dotted name and value."""


@dataclass(frozen=True, eq=False)
class CellKey:
    """Which counter of a study a cell is.

    Attributes:
        strategy: by which it was attacked; `clean` for the counter that never was.
        defense: the repair, or the filter of its training set; empty as trained, and for a counter that was never
            attacked before it relearned.
        seed: of everything random in it.
        varied: the settings that tell its variant from the others, by dotted name.
        filtered: whether `defense` is a filter.
        relearned: whether it was then tuned on clean images with a few poisoned ones of `strategy` among them.
    """

    strategy: str
    defense: str
    seed: int
    varied: Mapping[str, JsonValue] = field(default_factory=dict)
    filtered: bool = False
    relearned: bool = False

    @property
    def stage(self) -> Stage:
        """As results call it; a clean counter as it was trained is `attacked`, too."""
        if self.relearned:
            return "relearned"
        return "filtered" if self.filtered else "repaired" if self.defense else "attacked"

    @property
    def name(self) -> str:
        """A folder's name: strategy, stage or defense, seed, and the varied settings."""
        settings = [f"{_slug(name.split('.')[-1])}={_slug(value)}" for name, value in self.varied.items()]
        done = [self.defense or NEVER_ATTACKED, "relearned"] if self.relearned else [self.defense or "attacked"]
        name = "-".join([self.strategy, *done, f"s{self.seed}", *settings])
        if len(name) <= 120:
            return name
        return f"{name[:100]}-{digest(self.varied)[:12]}"

    @property
    def clean_counter(self) -> "CellKey":
        """The never attacked, unrepaired counter of the same variant and seed."""
        return CellKey(CLEAN, "", self.seed, self.varied)

    @property
    def defended_clean_counter(self) -> "CellKey":
        """The never attacked counter, repaired or filtered in the same way, or tuned on the same poisoned images."""
        if self.relearned:
            return CellKey(self.strategy, "", self.seed, self.varied, relearned=True)
        return CellKey(CLEAN, self.defense, self.seed, self.varied, self.filtered)

    @property
    def attacked_counter(self) -> "CellKey":
        """The counter that this cell repairs."""
        return CellKey(self.strategy, "", self.seed, self.varied)

    @property
    def starts_from(self) -> "CellKey | None":
        """The counter that is repaired, or tuned again; None for one that is trained from the start."""
        if not self.relearned:
            return self.attacked_counter if self.defense and not self.filtered else None
        return CellKey(self.strategy, self.defense, self.seed, self.varied) if self.defense else self.clean_counter

    @property
    def needs(self) -> list[str]:
        """Names of the cells that must be finished before this one."""
        needed = [self.clean_counter, self.starts_from, self.defended_clean_counter if self.defense else None]
        return list(dict.fromkeys(cell.name for cell in needed if cell is not None and cell.name != self.name))

    @property
    def needs_to_train(self) -> list[str]:
        """Names of those among them whose counters must be trained before this one can be.

        The others are needed to measure it. A filtered counter waits for all: it may take over the counter of one.
        """
        if self.filtered:
            return self.needs
        return [] if self.starts_from is None else [self.starts_from.name]

    @property
    def words(self) -> str:
        """Which counter it is, for people."""
        settings = variant_text(tuple(self.varied.items()))
        return f"{self.strategy}, {self.done}, seed {self.seed}{', ' if settings else ''}{settings}"

    @property
    def done(self) -> str:
        """What was done to the counter, for people."""
        if self.relearned:
            return f"repaired by {self.defense}, relearned" if self.defense else "never attacked, relearned"
        return f"{self.stage} by {self.defense}" if self.defense else "as trained"


@dataclass(frozen=True)
class Plan:
    """The matrix of a study: variants x seeds x strategies x (as trained, filters, repairs, repairs that relearn).

    Attributes:
        strategies: by what results call them, in the recipe's order; without the counter that was never attacked.
        filters, repairs: the same of the filters and the repairs.
        seeds: in the recipe's order.
        vary: the settings that the recipe varies, by dotted name, each with its values. Names with commas between them
            vary together: each value is a list with one for every name.
        relearns: whether the counters of every strategy are tuned on a few poisoned images, after each repair and
            without ever having been attacked.

    Raises:
        InputError: there are more than `LARGEST_STUDY` cells, a value is no such list, or a name stands twice.
    """

    strategies: tuple[str, ...]
    repairs: tuple[str, ...]
    seeds: tuple[int, ...]
    vary: Mapping[str, Sequence[JsonValue]] = field(default_factory=dict)
    filters: tuple[str, ...] = ()
    relearns: bool = False

    def __post_init__(self) -> None:
        if len(self) > LARGEST_STUDY:
            raise InputError(
                f"vary, seeds, strategies and defenses make {len(self):,} cells, more than {LARGEST_STUDY:,}"
            )
        for together, values in self.vary.items():
            number = len(names_of(together))
            if not all(len(_each_of(together, value)) == number for value in values):
                raise InputError(f"vary.{together}: each value should be a list of {number}, one for each name")
        if len(set(self.varied)) < len(self.varied):
            raise InputError(f"vary: each setting may stand once, got {', '.join(self.varied)}")

    @classmethod
    def of(cls, study: Mapping[str, Any]) -> "Plan":
        """The plan of a resolved recipe, as study.yaml holds it.

        Raises:
            InputError: a part that the plan needs is of another type, or there are too many cells; names the field.
        """
        vary = study.get("vary") or {}
        if not isinstance(vary, dict) or not all(isinstance(values, list) and values for values in vary.values()):
            raise InputError("vary: needs a list of values for each setting")
        seeds = _listed(study, "seeds")
        if not all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds):
            raise InputError("seeds: needs whole numbers")
        return cls(
            strategies=tuple(_names(study, "attack.strategies")),
            repairs=tuple(_names(study, "defenses")),
            seeds=tuple(seeds),
            vary=vary,
            filters=tuple(_names(study, "filters")),
            relearns=study.get("relearn") is not None,
        )

    @property
    def defenses(self) -> tuple[str, ...]:
        """Filters, then repairs: what a counter can be defended by."""
        return (*self.filters, *self.repairs)

    def stage_of(self, defense: str) -> Stage:
        """The stage of the counters that are defended by this; of those as they were trained where it is empty."""
        return "filtered" if defense in self.filters else "repaired" if defense else "attacked"

    def __len__(self) -> int:
        counters = (1 + len(self.strategies)) * (1 + len(self.defenses))
        counters += self.relearns * len(self.strategies) * (1 + len(self.repairs))
        return math.prod(len(values) for values in self.vary.values()) * len(self.seeds) * counters

    @property
    def varied(self) -> tuple[str, ...]:
        """Dotted names of the varied settings, in the recipe's order."""
        return tuple(name for together in self.vary for name in names_of(together))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Combinations of the varied settings, in the recipe's order; one empty one where it varies none."""
        choices = [
            [tuple(zip(names_of(together), _each_of(together, value), strict=True)) for value in values]
            for together, values in self.vary.items()
        ]
        return tuple(tuple(itertools.chain(*chosen)) for chosen in itertools.product(*choices))

    def cells(self, variant: Variant = ()) -> Iterator[CellKey]:
        """The cells of one variant, each after those that it needs."""
        for seed in self.seeds:
            for strategy in (CLEAN, *self.strategies):
                for defense, relearned in self.done_to(strategy):
                    yield self.key(variant, strategy, defense, seed, relearned=relearned)

    def done_to(self, strategy: str) -> Iterator[tuple[str, bool]]:
        """What is done to the counters of a strategy: the defense, and whether they then relearn."""
        for defense in ("", *self.defenses):
            yield defense, False
        if self.relearns and strategy != CLEAN:
            for repair in ("", *self.repairs):
                yield repair, True

    def key(self, variant: Variant, strategy: str, defense: str, seed: int, *, relearned: bool = False) -> CellKey:
        """The key of one counter."""
        return CellKey(strategy, defense, seed, dict(variant), defense in self.filters, relearned)


def names_of(together: str) -> list[str]:
    """The dotted names in a key of `vary`: one, or several with commas between them."""
    return [name.strip() for name in together.split(",")]


def _each_of(together: str, value: JsonValue) -> list[JsonValue]:
    """The values of the names in a key of `vary`; empty if one value is given to several names."""
    if len(names_of(together)) == 1:
        return [value]
    return value if isinstance(value, list) else []


def entry_name(entry: object) -> str:
    """What results call an attack or a repair of the recipe: its label where it has one, else its kind."""
    if not isinstance(entry, dict):
        return str(entry)
    return str(entry.get("label") or result_name(str(entry.get("kind"))))


def entry_named(entries: object, name: str) -> dict[str, Any]:
    """The attack or repair that results call by this name; empty where there is none."""
    listed = entries if isinstance(entries, list) else []
    return next((entry for entry in listed if isinstance(entry, dict) and entry_name(entry) == name), {})


def result_name(kind: str) -> str:
    """What results call a kind: code that is named by its place, `file.py:Class`, goes by its own name."""
    return kind.rpartition(":")[2]


def variant_text(variant: Variant) -> str:
    """A combination of varied settings in words."""
    return ", ".join(f"{name} = {setting_text(value)}" for name, value in variant)


def setting_text(value: JsonValue) -> str:
    """A setting's value as people write it: `blend:picture=kitten,alpha=0.1`, as on the command line; `none`."""
    if isinstance(value, Mapping):
        kind = [str(value["kind"])] if "kind" in value else []
        rest = ",".join(f"{name}={setting_text(part)}" for name, part in value.items() if name != "kind")
        return ":".join([*kind, *([rest] if rest else [])])
    if isinstance(value, list | tuple):
        return " ".join(map(setting_text, value))
    return "none" if value is None else str(value)


def digest(value: object) -> str:
    """SHA-256, as hex, of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=dict).encode()).hexdigest()


def _slug(value: object) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    slug = re.sub(r"[^A-Za-z0-9._+]+", "_", text).strip("_.") or "none"
    return slug if len(slug) <= 32 else f"{slug[:20]}_{digest(text)[:8]}"


def _listed(study: Mapping[str, Any], name: str) -> list[Any]:
    entries = lookup(study, name)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise InputError(f"{name}: needs a list")
    return entries


def _names(study: Mapping[str, Any], name: str) -> list[str]:
    names = [entry_name(entry) for entry in _listed(study, name)]
    if len(set(names)) < len(names):
        raise InputError(f"{name}: each name may stand once")
    return names
