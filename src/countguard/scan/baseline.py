"""What counters that were never attacked do under the probes: the mark against which a suspect is held."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated

import numpy as np
from pydantic import Field

from countguard.metrics.ratios import Floats
from countguard.scan.conformal import conformal_threshold
from countguard.scan.statistic import GROUPS
from countguard.settings import Settings

STORED = "baselines.json"
"""Statistics of the benchmark's clean counters, written by docs/make_scan.py."""
RATE = 0.05
"""False alarms that are accepted, as a share of clean counters."""
SHRINKAGE = 0.05
"""Share of the identity in the correlation of the signs: few clean counters tell it only roughly."""

Signs = Mapping[str, float]
"""Mean log ratios by what caused them, see `countguard.scan.scan.SAID`."""


class Baseline(Settings):
    """Clean counters' mean shifts, and the score above which a counter is no longer like them.

    Attributes:
        counters: what they are, in words.
        number: how many; pairs, where a suspect is held against one reference.
        mean: by sign; of the difference of two clean counters where there is a reference. Probes decide; what searched
            pictures reach is kept to be shown beside a suspect's.
        deviation: standard deviation by sign, within the groups of clean counters, see `fitted`.
        correlation: of the signs of `GROUPS`, in that order, within the groups, shrunk by `SHRINKAGE`.
        families: mean shift by family and strength, as `leaves 0.1`; empty where there is a reference.
        threshold: of `score`.
        false_alarm_rate: share of clean counters that score above the threshold, at most.
    """

    counters: str
    number: Annotated[int, Field(ge=2)]
    mean: dict[str, float]
    deviation: dict[str, float]
    correlation: list[list[float]]
    families: dict[str, float] = {}
    threshold: Annotated[float, Field(gt=0)]
    false_alarm_rate: Annotated[float, Field(gt=0, le=1)]

    def scores(self, signs: Signs) -> dict[str, float]:
        """How far each sign of `GROUPS` is from the clean counters' mean, in their standard deviations, up or down."""
        return {name: (signs[name] - self.mean[name]) / self.deviation[name] for name in GROUPS}

    def score(self, signs: Signs) -> float:
        """How far the probes' signs are from the clean counters', all together.

        It is the Mahalanobis distance over the square root of the number of signs. Clean counters differ in how much
        they mind any loss of contrast, which moves several signs at once; such a move counts for less than one that
        no clean counter makes.
        """
        distances = np.array(list(self.scores(signs).values()))
        return float(np.sqrt(distances @ np.linalg.solve(np.array(self.correlation), distances) / len(distances)))


class Stored(Settings):
    """All statistics that come with countguard.

    Attributes:
        clean: of clean counters, by `KIND on DATA`: one for each way of training that was measured.
        pairs: of differences between two clean counters of one kind on the same pictures, by kind.
    """

    clean: dict[str, tuple[Baseline, ...]] = {}
    pairs: dict[str, Baseline] = {}


def stored() -> Stored:
    """The statistics that come with countguard; none where the benchmark's population has not been measured."""
    file = files("countguard.scan") / STORED
    return Stored.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else Stored()


def stored_baseline(kind: str, data: str, signs: Signs) -> Baseline | None:
    """The clean counters of a kind on a data set, or on any if `data` is empty, that a suspect is nearest to.

    Clean counters that were trained in different ways, with more channels or other augmentation, differ by more than an
    attack may change, and nobody knows how a stranger's was trained. So it is held against each way that was measured.
    None where none was.
    """
    known = [one for name, ways in stored().clean.items() if name.startswith(f"{kind} on {data}") for one in ways]
    return min(known, key=lambda baseline: baseline.score(signs), default=None)


def against_reference(kind: str, reference: Signs) -> Baseline:
    """A baseline whose mean is what one clean counter does; how far two clean ones lie apart is stored.

    A kind of which no pairs were measured is given the deviations and the threshold of the kind that varies most.
    """
    pairs = stored().pairs
    chosen = pairs.get(kind) or max(pairs.values(), key=lambda pair: pair.threshold * sum(pair.deviation.values()))
    mean = {name: reference[name] for name in chosen.mean if name in reference}
    return chosen.model_copy(update={"counters": "the reference", "mean": mean})


def fitted(clean: Mapping[str, Sequence[Signs]], counters: str, rate: float = RATE) -> dict[str, Baseline]:
    """A baseline for each of several groups of clean counters, with one threshold.

    Each group has its own mean. Deviations and correlations are those within the groups, of all groups together: they
    differ less from group to group than they could be told from the few counters of one.

    The threshold is the conformal quantile of the `left_out_scores` of all groups (cross-conformal prediction; Vovk,
    2015): a new clean counter, of a group drawn as these were, exceeds it with a probability of about `rate`, or of
    1 / (number + 1) where there are too few for that.

    Args:
        clean: the same signs of each of several counters that were never attacked; three or more in a group.
        counters: what they are, in words.
        rate: of false alarms that is wanted.
    """
    left_out = [score for scores in left_out_scores(clean).values() for score in scores]
    threshold, stated = conformal_threshold(np.array(left_out), rate)
    update = {"threshold": threshold, "false_alarm_rate": stated}
    return {name: fit.model_copy(update=update) for name, fit in _statistics(clean, counters).items()}


def left_out_scores(clean: Mapping[str, Sequence[Signs]]) -> dict[str, list[float]]:
    """The score of each clean counter against all others, by group and in order; a group needs three or more."""
    return {
        name: [
            _statistics({**clean, name: [*group[:place], *group[place + 1 :]]}, "")[name].score(signs)
            for place, signs in enumerate(group)
        ]
        for name, group in clean.items()
    }


def _statistics(clean: Mapping[str, Sequence[Signs]], counters: str) -> dict[str, Baseline]:
    names = list(next(iter(clean.values()))[0])
    values = {group: np.array([[signs[name] for name in names] for signs in some]) for group, some in clean.items()}
    within = np.concatenate([table - table.mean(axis=0) for table in values.values()])
    deviation = np.sqrt((within**2).sum(axis=0) / (len(within) - len(values)))
    correlation = _correlation(within[:, [names.index(name) for name in GROUPS]])
    return {
        group: Baseline(
            counters=counters,
            number=len(table),
            mean=dict(zip(names, table.mean(axis=0).tolist(), strict=True)),
            deviation=dict(zip(names, deviation.tolist(), strict=True)),
            correlation=correlation.tolist(),
            threshold=1.0,
            false_alarm_rate=1.0,
        )
        for group, table in values.items()
    }


def _correlation(signs: Floats) -> Floats:
    """Of [counters, signs], shrunk towards none."""
    correlation = np.atleast_2d(np.corrcoef(signs, rowvar=False))
    return (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(correlation))
