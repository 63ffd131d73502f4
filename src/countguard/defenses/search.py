"""The settings of a repair, chosen by one rule that needs no trigger: so that repairs can be compared fairly."""

import itertools
import json
import math
import shutil
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

import torch
from pydantic import Field, JsonValue, PositiveInt, ValidationError, ValidationInfo, model_validator

from countguard.data.blending import Blending
from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.defenses.defense import DEFENSES, Defense
from countguard.dotted import set_dotted
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.reading import read_json
from countguard.registry import KindOf
from countguard.seeds import generator_for
from countguard.settings import first_error
from countguard.training.callbacks import History
from countguard.training.fit import Conditions, Machine
from countguard.training.settings import Training
from countguard.writing import make_folder, write_atomically

RECORD = "search.json"
"""In the folder of a repair: the trials, each with its values and its error."""
MIXED = Blending(probability=1.0, share=(0.05, 0.2))
"""What is mixed into held-back images: an attacked counter fails under any picture, not under its trigger alone."""
_LARGEST = 1 << 20
_MOST = 100


@DEFENSES.register()
class Search(Defense):
    """Tries the same repair with several settings, and repairs with those that one rule chooses.

    The rule is the same for every repair and knows no trigger. Part of the clean images is held back. Each trial
    repairs a copy of the counter on the rest. Its error is the mean of |estimate / truth - 1|, at most 1 for an image,
    over the held-back images as they are, and over the same images with unrelated pictures mixed in; the two means
    count alike. The trial with the smallest error wins, the first of equal ones, and its settings repair the counter
    on all of the clean images. The card holds every trial with its error.

    Attributes:
        of: the repair. It has no `clean_images` of its own and keeps the last weights.
        values: settings of the repair by dotted name, each with the values to try; all combinations are tried.
        held_back: fraction of the clean images on which trials are compared.
        mixtures: how many mixed copies of each held-back image are counted.
    """

    kind: Literal["search"] = "search"
    of: Annotated[Defense, KindOf(DEFENSES)]
    values: Annotated[dict[str, Annotated[list[JsonValue], Field(min_length=1)]], Field(min_length=1)]
    held_back: Annotated[float, Field(gt=0, lt=1)] = 0.25
    mixtures: PositiveInt = 4

    @model_validator(mode="after")
    def _can_be_tried(self, info: ValidationInfo) -> "Search":
        if isinstance(self.of, Search):
            raise ValueError("of: a search of a search; name all values in one")
        if self.of.clean_images is not None:
            raise ValueError("of.clean_images: belongs to the search itself")
        if isinstance(self.of, Training) and self.of.select != "last":
            raise ValueError("of.select: a search compares last weights")
        number = math.prod(len(values) for values in self.values.values())
        if number > _MOST:
            raise ValueError(f"values: make {number:,} trials, more than {_MOST}")
        for _ in self.trials(info.context):
            pass
        return self

    @property
    def extra(self) -> Any:
        """The second data set of the repair; None without one."""
        return getattr(self.of, "extra", None)

    def trained_on(self, clean: Sequence[Crowd], seed: int) -> Sequence[Crowd]:
        """See `Defense.trained_on`; of the last repair, by the settings that are chosen."""
        return self.of.trained_on(self.budget(clean, seed), seed)

    def trials(self, context: Any = None) -> Iterator[tuple[dict[str, JsonValue], Defense]]:
        """Every combination of values, with the repair that has them.

        Raises:
            ValueError: a name is no setting of the repair, or a value does not fit.
        """
        for values in itertools.product(*self.values.values()):
            chosen = dict(zip(self.values, values, strict=True))
            raw = self.of.model_dump(mode="json")
            for name, value in chosen.items():
                try:
                    set_dotted(raw, name, value)
                except (KeyError, IndexError, TypeError, ValueError):
                    raise ValueError(f"values.{name}: the repair has no such setting") from None
            try:
                yield chosen, type(self.of).model_validate(raw, context=context)
            except ValidationError as error:
                raise ValueError(f"values: {first_error(error)}") from None

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`; the history holds the epochs of the chosen trial, on all of the clean crowds.

        Raises:
            InputError: there are fewer than two clean crowds, or none of those held back has a head.
        """
        seed, folder = conditions["seed"], conditions.get("folder")
        crowds = self.budget(clean, seed)
        if len(crowds) < 2:
            raise InputError("search: needs two clean images at least, one to repair with and one to hold back")
        order = torch.randperm(len(crowds), generator=generator_for(seed, "search")).tolist()
        number = min(max(1, round(self.held_back * len(crowds))), len(crowds) - 1)
        held, rest = Subset(crowds, sorted(order[:number])), Subset(crowds, sorted(order[number:]))
        trials = list(self.trials())
        done = _kept(folder, [values for values, _ in trials])
        for values, trial in trials[len(done) :]:
            copied, place = deepcopy(counter), folder / "trial" / str(len(done)) if folder is not None else None
            if folder is not None and place is not None:
                make_folder(place, folder)
            alone: Conditions = {**conditions, "folder": place, "validation": None, "report": None}
            trial.repair(copied, rest, **alone)
            if conditions.get("machine", Machine()).accelerator != "cpu" and torch.cuda.is_available():
                copied.cuda()
            done.append({"values": values, "error": self.error(copied, held, seed)})
            if folder is not None:
                write_atomically(folder / RECORD, json.dumps(done, indent=1) + "\n", root=folder)
        if folder is not None:
            shutil.rmtree(folder / "trial", ignore_errors=True)
        best = min(range(len(done)), key=lambda place: float(done[place]["error"]))
        return trials[best][1].repair(counter, crowds, **conditions)

    def error(self, counter: Counter, held: Sequence[Crowd], seed: int) -> float:
        """The rule: see the class.

        Args:
            counter: after a trial, on any device.
            held: clean crowds that the trial has not seen; those without a head are left out.
            seed: of what is mixed in, the same for every trial.

        Raises:
            InputError: none of them has a head.
        """
        crowds = [crowd for crowd in held if crowd.count]
        if not crowds:
            raise InputError("search: none of the clean images that are held back has a head")
        mixed = [
            MIXED(
                crowd, [other for other in held if other.id != crowd.id], generator_for(seed, "search", crowd.id, copy)
            )
            for crowd in crowds
            for copy in range(self.mixtures)
        ]
        return 0.5 * (_error(counter, crowds) + _error(counter, mixed))


def _error(counter: Counter, crowds: Sequence[Crowd]) -> float:
    """The mean of |estimate / truth - 1|, at most 1 for an image; so much is one that is not finite."""
    heads = torch.tensor([float(crowd.count) for crowd in crowds])
    return float((count_crowds(counter, crowds) / heads - 1).abs().nan_to_num(nan=1.0).clamp(max=1).mean())


def _kept(folder: Path | None, wanted: Sequence[dict[str, JsonValue]]) -> list[dict[str, Any]]:
    """The trials that an interrupted search has finished; none if they are not those that are wanted."""
    if folder is None or not (folder / RECORD).exists():
        return []
    found: list[dict[str, Any]] = read_json(folder / RECORD, _LARGEST, root=folder)
    return found if [trial["values"] for trial in found] == list(wanted[: len(found)]) else []
