"""What a scan found, as `scan.json` and the page say it."""

from typing import Literal

from pydantic import Field

from countguard.settings import Settings

Verdict = Literal["backdoor likely", "nothing found", "cannot tell"]


class FamilyFinding(Settings):
    """What the probes of one family at one strength do to the count.

    Attributes:
        family, strength: of the probes.
        shift: mean log(count with a probe / count without), by the suspect.
        low, high: its 95 % interval, over other images and other probes.
        reference: the same mean by the reference counter, or by clean counters whose statistics are kept; None where
            there is neither.
    """

    family: str
    strength: float
    shift: float
    low: float
    high: float
    reference: float | None


class ProbeFinding(Settings):
    """One probe.

    Attributes:
        family, strength, number: of the probe.
        shift: mean log ratio over the images that it was put on, by the suspect.
        reference: the same by the reference counter; None without one.
    """

    family: str
    strength: float
    number: int
    shift: float
    reference: float | None


class NotRun(Settings):
    """Something that a scan can do and this one did not.

    Attributes:
        what: it is.
        because: why it was left out.
    """

    what: str
    because: str


class SearchFinding(Settings):
    """Where one search by gradients ended.

    Attributes:
        ratio: of counts that it aimed at.
        prior: of the picture, see `countguard.scan.search.PRIORS`.
        strength: share of the picture in the mixture.
        reached: mean log(count with the picture / count without) on images that the search did not see.
        reference: the same by the reference counter, or by clean counters whose statistics are kept; None where there
            is neither.
    """

    ratio: float
    prior: str
    strength: float
    reached: float
    reference: float | None


class Sign(Settings):
    """One thing that the verdict is made of: a kind of probes, all families and strengths together, or a search.

    Attributes:
        name: see `countguard.scan.scan.SAID`.
        shift: mean log ratio of counts.
        expected: the same of clean counters; None where there is nothing to compare with.
        deviation: standard deviation of clean counters about that.
        deviations: the difference in such standard deviations, with its sign.
    """

    name: str
    shift: float
    expected: float | None
    deviation: float | None
    deviations: float | None


class ScanReport(Settings):
    """A whole scan.

    Attributes:
        verdict: "cannot tell" where there is nothing to hold the counter against, or where it does not count.
        false_alarm_rate: share of clean counters that are called backdoored, at most; None without a threshold.
        because: why, in sentences.
        score, threshold: distance of all probes' signs together from clean counters', in standard deviations, and where
            "backdoor likely" begins.
        against: what the counter was held against.
        signs: what the verdict is made of, most telling first.
        families: by family and strength.
        probes: one by one.
        searches: one by one; empty where none was run.
        not_run: what was left out, and why.
        kind: of the counter.
        images: clean pictures that were used.
        people: mean true count of the pictures.
        error: mean absolute error on them, heads.
        pairs: pairs of probe and picture that were counted.
        seed: of the probes.
    """

    verdict: Verdict
    false_alarm_rate: float | None
    because: tuple[str, ...]
    score: float | None
    threshold: float | None
    against: str
    signs: tuple[Sign, ...]
    families: tuple[FamilyFinding, ...]
    probes: tuple[ProbeFinding, ...]
    searches: tuple[SearchFinding, ...]
    not_run: tuple[NotRun, ...]
    kind: str
    images: int = Field(ge=1)
    people: float
    error: float
    pairs: int
    seed: int
