"""What counters that were never attacked do under the probes: the mark against which a suspect is held."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated

import numpy as np
from pydantic import Field

from countguard.scan.conformal import conformal_threshold
from countguard.settings import Settings

STORED = "baselines.json"
"""Statistics of the clean counters of the benchmark's choosing half, written by docs/make_scan.py."""
RATE = 0.05
"""False alarms that are accepted, as a share of clean counters."""

Signs = Mapping[str, float]
"""Mean log ratios by what caused them, see `countguard.scan.scan.SAID`."""


class Baseline(Settings):
    """Clean counters' mean shifts, and the score above which a counter is no longer like them.

    Attributes:
        counters: what they are, in words.
        number: how many; pairs, where a suspect is held against one reference.
        mean, deviation: by sign; of the difference of two clean counters where there is a reference.
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

    def scores(self, signs: Signs) -> dict[str, float]:
        """How far each sign is from the clean counters' mean, in their standard deviations, up or down."""
        return {name: (signs[name] - mean) / self.deviation[name] for name, mean in self.mean.items()}

    def score(self, signs: Signs) -> float:
        """The greatest distance of any sign, up or down."""
        return max(abs(distance) for distance in self.scores(signs).values())


class Kept(Settings):
    """Two baselines of the same clean counters.

    Attributes:
        probed: of probes alone.
        searched: of probes and searches.
    """

    probed: Baseline
    searched: Baseline

    def chosen(self, searched: bool) -> Baseline:
        """The one for a scan with or without searches."""
        return self.searched if searched else self.probed


class Stored(Settings):
    """All statistics that come with countguard.

    Attributes:
        clean: of clean counters, by `KIND on DATA`.
        pairs: of differences between two clean counters of one kind on the same pictures, by kind.
    """

    clean: dict[str, Kept] = {}
    pairs: dict[str, Kept] = {}


def stored() -> Stored:
    """The statistics that come with countguard; none where the benchmark's population has not been measured."""
    file = files("countguard.scan") / STORED
    return Stored.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else Stored()


def stored_baseline(kind: str, data: str, searched: bool) -> Baseline | None:
    """Clean counters of a kind on a data set, or on any if `data` is empty; None where none were measured."""
    found = [kept for name, kept in stored().clean.items() if name.startswith(f"{kind} on {data}")]
    return found[0].chosen(searched) if found else None


def against_reference(kind: str, reference: Signs, searched: bool) -> Baseline:
    """A baseline whose mean is what one clean counter does; how far two clean ones lie apart is stored.

    A kind of which no pairs were measured is given the deviations and the threshold of the kind that varies most.
    """
    pairs = [kept.chosen(searched) for name, kept in stored().pairs.items() if name == kind]
    others = [kept.chosen(searched) for kept in stored().pairs.values()]
    chosen = pairs[0] if pairs else max(others, key=lambda pair: pair.threshold * sum(pair.deviation.values()))
    mean = {name: reference[name] for name in chosen.mean}
    return chosen.model_copy(update={"counters": "the reference", "mean": mean})


def fitted(clean: Sequence[Signs], counters: str, rate: float = RATE) -> Baseline:
    """A baseline of clean counters.

    Each counter is scored against the others (leave one out), and the threshold is the conformal quantile of these
    scores (cross-conformal prediction; Vovk, 2015): a new clean counter exceeds it with a probability of about `rate`,
    or of 1 / (number + 1) where there are too few for that.

    Args:
        clean: the same signs of each of several counters that were never attacked.
        counters: what they are, in words.
        rate: of false alarms that is wanted.
    """
    left_out = [
        _statistics([*clean[:place], *clean[place + 1 :]], counters).score(signs) for place, signs in enumerate(clean)
    ]
    threshold, stated = conformal_threshold(np.array(left_out), rate)
    return _statistics(clean, counters).model_copy(update={"threshold": threshold, "false_alarm_rate": stated})


def _statistics(clean: Sequence[Signs], counters: str) -> Baseline:
    columns = {name: np.array([signs[name] for signs in clean]) for name in clean[0]}
    return Baseline(
        counters=counters,
        number=len(clean),
        mean={name: float(column.mean()) for name, column in columns.items()},
        deviation={name: float(column.std(ddof=1)) for name, column in columns.items()},
        threshold=1.0,
        false_alarm_rate=1.0,
    )
