"""What counters that were never attacked do under the probes: the mark against which a suspect is held."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated

import numpy as np
from pydantic import Field

from countguard.scan.conformal import conformal_threshold
from countguard.scan.statistic import GROUPS
from countguard.settings import Settings

STORED = "baselines.json"
"""Statistics of the clean counters of the benchmark's choosing half, written by docs/make_scan.py."""
RATE = 0.05
"""False alarms that are accepted, as a share of clean counters."""

Groups = Mapping[str, float]
"""Mean shift by group, see `countguard.scan.statistic.group_shifts`."""


class Baseline(Settings):
    """Clean counters' mean shifts, and the score above which a counter is no longer like them.

    Attributes:
        counters: what they are, in words.
        number: how many; pairs, where a suspect is held against one reference.
        mean, deviation: of the shift, by group; of the difference of two clean counters where there is a reference.
        families: mean shift by family and strength, as `leaves 0.1`; empty where there is a reference.
        threshold: of `score`.
        false_alarm_rate: share of clean counters that score above the threshold, at most.
    """

    counters: str
    number: Annotated[int, Field(ge=2)]
    mean: dict[str, float]
    deviation: dict[str, float]
    families: dict[str, float] = {}
    threshold: Annotated[float, Field(gt=0)]
    false_alarm_rate: Annotated[float, Field(gt=0, le=1)]

    def scores(self, shifts: Groups) -> dict[str, float]:
        """Distance of each group's shift from the clean counters' mean, in their standard deviations, with its sign."""
        return {
            group: (shifts[group] - self.mean[group]) / self.deviation[group] for group in GROUPS if group in shifts
        }

    def score(self, shifts: Groups) -> float:
        """The greatest distance of any group, without its sign."""
        return max(abs(distance) for distance in self.scores(shifts).values())


class Stored(Settings):
    """All statistics that come with countguard.

    Attributes:
        clean: of clean counters, by `KIND on DATA`.
        pairs: of differences between two clean counters of one kind on the same pictures, by kind.
    """

    clean: dict[str, Baseline]
    pairs: dict[str, Baseline]


def stored() -> Stored:
    """The statistics that come with countguard."""
    return Stored.model_validate(json.loads((files("countguard.scan") / STORED).read_text(encoding="utf-8")))


def stored_baseline(kind: str, data: str) -> Baseline | None:
    """Clean counters of a kind on a data set; None where none were measured."""
    return stored().clean.get(f"{kind} on {data}")


def against_reference(kind: str, reference: Groups) -> Baseline:
    """A baseline whose mean is what one clean counter does; how far two clean ones lie apart is stored.

    A kind of which no pairs were measured is given the deviations and the threshold of the kind that varies most.
    """
    pairs = stored().pairs
    chosen = pairs.get(kind) or max(pairs.values(), key=lambda pair: pair.threshold * sum(pair.deviation.values()))
    return chosen.model_copy(update={"counters": "the reference", "mean": dict(reference)})


def fitted(clean: Sequence[Groups], counters: str, rate: float = RATE) -> Baseline:
    """A baseline of clean counters.

    Each counter is scored against the others (leave one out), and the threshold is the conformal quantile of these
    scores (cross-conformal prediction; Vovk, 2015): a new clean counter exceeds it with a probability of about `rate`,
    or of 1 / (number + 1) where there are too few for that.

    Args:
        clean: shifts by group of counters that were never attacked.
        counters: what they are, in words.
        rate: of false alarms that is wanted.
    """
    left_out = [
        _statistics([*clean[:place], *clean[place + 1 :]], counters).score(shifts) for place, shifts in enumerate(clean)
    ]
    threshold, stated = conformal_threshold(np.array(left_out), rate)
    return _statistics(clean, counters).model_copy(update={"threshold": threshold, "false_alarm_rate": stated})


def _statistics(clean: Sequence[Groups], counters: str) -> Baseline:
    columns = {group: np.array([shifts[group] for shifts in clean]) for group in GROUPS}
    return Baseline(
        counters=counters,
        number=len(clean),
        mean={group: float(column.mean()) for group, column in columns.items()},
        deviation={group: float(column.std(ddof=1)) for group, column in columns.items()},
        threshold=1.0,
        false_alarm_rate=1.0,
    )
