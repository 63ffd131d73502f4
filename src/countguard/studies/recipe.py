"""Recipes: a whole study as one validated, frozen value."""

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from countguard.attacks.poisoning import Attack, Cover
from countguard.attacks.strategies import AnyStrategy, Strategy
from countguard.attacks.triggers import AnyTrigger, Blend
from countguard.audit.filters import AnyFilter, Filter
from countguard.data.sources import AnySource
from countguard.defenses.defenses import AnyDefense, Defense
from countguard.models import COUNTERS, build_counter
from countguard.models.counter import Counter
from countguard.models.hub import address_of, pinned
from countguard.runs.plan import CLEAN, NEVER_ATTACKED
from countguard.seeds import derived_seed
from countguard.settings import Settings
from countguard.studies.relearning import Relearn
from countguard.training.settings import WHOLE, Training


class ModelSettings(Settings):
    """Which counter is trained, and from which weights. Every other key is an argument of its constructor.

    Attributes:
        kind: one of `countguard.models.COUNTERS`.
        weights: None for random weights; a name that the kind knows (imagenet, openai); or a safetensors file, which
            may be on the Hugging Face hub: hf://owner/repo/file.
    """

    model_config = ConfigDict(extra="allow")

    kind: str
    weights: str | None = None

    @field_validator("kind")
    @classmethod
    def _found(cls, kind: str, info: ValidationInfo) -> str:
        """The kind; for code named by its place, a place that is valid in every working directory."""
        folder = (info.context or {}).get("folder")
        if ":" not in kind or folder is None:
            return kind
        return COUNTERS.place_of(COUNTERS.find(kind, folder)) or kind

    @property
    def arguments(self) -> dict[str, JsonValue]:
        """The constructor's arguments that the recipe names."""
        return dict(self.model_extra or {})

    def pinned(self, counter: Counter) -> str | None:
        """The weights as every cell of a study takes them: of one commit, where they come from a hub.

        Args:
            counter: built from them.
        """
        file, mark, part = (self.weights or "").partition("#")  # which part of the file, such as its front end
        address = address_of(file)
        if address is None or counter.origin is None:
            return self.weights
        return pinned(address, counter.origin.revision) + mark + part

    def build(self, seed: int) -> Counter:
        """A counter whose random weights depend on the seed alone.

        Raises:
            InputError: see `build_counter`.
        """
        with torch.random.fork_rng():
            torch.manual_seed(derived_seed(seed, "weights"))
            return build_counter(self.kind, weights=self.weights, **self.arguments)


class AttackSettings(Settings):
    """The attacks of a study: one trigger and rate, several strategies.

    Attributes:
        trigger: put on the images.
        rate: fraction of the training images that are poisoned.
        placement: poisoned copies are appended (the paper), or replace their originals.
        cover: cover samples beside the poisoned ones, an unrelated picture and true heads; None for none.
        strategies: each gives one attacked counter.
    """

    trigger: AnyTrigger = Blend()
    rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    placement: Literal["append", "replace"] = "append"
    cover: Cover | None = None
    strategies: tuple[AnyStrategy, ...]

    @model_validator(mode="after")
    def _distinct(self) -> "AttackSettings":
        names = [strategy.name for strategy in self.strategies]
        if len(set(names)) < len(names):
            raise ValueError(f"strategies: names must differ, got {', '.join(names)}; give each a label")
        if CLEAN in names:
            raise ValueError(f"strategies: {CLEAN} is what results call the counter without an attack")
        return self

    def strategy(self, name: str) -> Strategy:
        """The strategy with this name in results."""
        return next(strategy for strategy in self.strategies if strategy.name == name)

    def attack(self, name: str) -> Attack:
        """The whole attack with one strategy."""
        return Attack(
            trigger=self.trigger,
            strategy=self.strategy(name),
            rate=self.rate,
            placement=self.placement,
            cover=self.cover,
        )

    @model_serializer(mode="wrap")
    def _as_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Every setting; `cover` only where there is one, as in studies of earlier versions."""
        return {name: value for name, value in handler(self).items() if name != "cover" or value is not None}


class Evaluation(Settings):
    """What is measured in addition to the metrics.

    Attributes:
        shares: strengths of the trigger at test time at which the success is measured too.
        examples: how many test images are kept with their maps and Grad-CAM.
        audits: how many poisoned training sets are audited for the report, those of the first strategies. A filter
            audits what it cleans in any case.
    """

    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    examples: Annotated[int, Field(ge=0, le=50)] = 3
    audits: Annotated[int, Field(ge=0, le=100)] = 0

    @model_serializer(mode="wrap")
    def _as_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Every setting; `audits` only where there are some, as in studies of earlier versions."""
        return {name: value for name, value in handler(self).items() if name != "audits" or value}


class MachineSettings(Settings):
    """Where a study runs.

    Attributes:
        accelerator: as Lightning names it.
        devices: how many train one counter together.
        threads: CPU threads that torch may use; None for torch's default.
        deterministic: only algorithms that give the same result twice.
        resume_seconds: least time between two points that a training can be resumed from.
        compile: whether networks are compiled on a GPU where this saves time.
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1, le=1024)] = 1
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    deterministic: bool = True
    resume_seconds: Annotated[float, Field(ge=0)] = 20.0
    compile: bool = True


class Recipe(Settings):
    """A study. `countguard.studies.resolve` makes one from YAML, a preset and overrides.

    Attributes:
        name: of the study.
        preset: gives the settings that the recipe leaves out.
        seeds: the whole study is run once for each.
        data: crowds to train on and to report on.
        model: the counter.
        attack: the attacks.
        training: how clean and attacked counters are trained.
        filters: each cleans every training set, on which a counter is then trained anew.
        defenses: the repairs, each applied to every counter.
        relearn: how repaired counters are tuned once more, on clean images with a few poisoned ones among them; None
            for not at all.
        evaluation: what is measured in addition to the metrics.
        machine: where it runs.
        vary: settings by dotted name, each with a list of values; the study runs all combinations. Names with a comma
            between them vary together: `data.seed, attack.trigger.picture: [[1, kitten], [2, robots]]`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
    preset: Literal["paper", "reference-code", "steady"] = "paper"
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)] = (0,)
    data: AnySource
    model: ModelSettings
    attack: AttackSettings
    training: Training
    filters: tuple[AnyFilter, ...] = ()
    defenses: tuple[AnyDefense, ...] = ()
    relearn: Relearn | None = None
    evaluation: Evaluation = Evaluation()
    machine: MachineSettings = MachineSettings()
    vary: dict[str, Annotated[list[JsonValue], Field(min_length=1)]] = {}

    @model_validator(mode="after")
    def _distinct(self) -> "Recipe":
        names = [entry.name for entry in self.filters] + [entry.name for entry in self.defenses]
        what = "filters and defenses" if self.filters else "defenses"
        if len(set(names)) < len(names):
            raise ValueError(f"{what}: names must differ, got {', '.join(names)}; give each a label")
        if "attacked" in names:
            raise ValueError(f"{what}: attacked is what results call the stage before a repair; choose another label")
        if self.relearn is not None and NEVER_ATTACKED in names:
            raise ValueError(f"{what}: {NEVER_ATTACKED} is what cells call a counter that relearn only tunes")
        if self.relearn is not None and not self.defenses:
            raise ValueError("relearn: needs a repair under defenses, whose counters it tunes")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: each may stand once")
        return self

    def defense(self, name: str) -> Defense:
        """The repair with this name in results."""
        return next(defense for defense in self.defenses if defense.name == name)

    def filter(self, name: str) -> Filter:
        """The filter with this name in results."""
        return next(entry for entry in self.filters if entry.name == name)

    @model_serializer(mode="wrap")
    def _as_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Every setting; `filters` and `relearn` only where there are some, as in studies of earlier versions."""
        return {name: value for name, value in handler(self).items() if name not in ("filters", "relearn") or value}

    def dump(self, *, whole: bool = False) -> dict[str, Any]:
        """Every setting, as JSON and YAML can hold it.

        Args:
            whole: also those that are None and that keys leave out, so that no preset fills them in again.
        """
        return self.model_dump(mode="json", context=WHOLE if whole else None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets another process find the code that a recipe names by its place."""
        return _from_dump, (self.dump(),)


def _from_dump(settings: dict[str, Any]) -> Recipe:
    return Recipe.model_validate(settings, context={"folder": Path.cwd()})
