"""scan.html: what a scan found, on one page with everything in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from countguard.data.crowd import Crowd
from countguard.errors import one_line
from countguard.operate.pages import page_from, source_of
from countguard.scan.probes import Probe
from countguard.scan.report import ProbeFinding, ScanReport
from countguard.scan.scan import FAR, SAID, Scan, change_in_words
from countguard.scan.statistic import GROUPS
from countguard.wording import percent

STRONGEST = 4
"""Probes that are shown as pictures, one of a family."""
LEAST_REACH = math.log(1.5)
"""Ends of the scale of changes at least, as a log ratio."""
TICKS = (0.25, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 4.0)
"""Ratios that the scale may name."""


@dataclass(frozen=True, slots=True)
class Track:
    """One sign on the common scale; places are per cent from the left.

    Attributes:
        name: of the sign, in words.
        said: its mean change in words.
        expected: the clean counters' mean and two standard deviations about it, as left end, width and middle; None
            without them.
        mean: of the suspect.
        probes, references: each probe's mean change, by the suspect and by the reference.
        telling: whether it is beyond the threshold.
    """

    name: str
    said: str
    expected: tuple[float, float, float] | None
    mean: float
    probes: tuple[float, ...]
    references: tuple[float, ...]
    telling: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A probe as pictures: alone, and on a clean picture."""

    name: str
    said: str
    alone: str
    on_picture: str


@dataclass(frozen=True, slots=True)
class Searched:
    """Where a search ended: its aim, what the picture does, what clean counters' pictures do, and the picture."""

    aim: str
    prior: str
    said: str
    expected: str | None
    picture: str


def scan_page(scan: Scan, counter: str, data: str, crowds: Sequence[Crowd]) -> bytes:
    """The page as HTML: no script, nothing from the network, every text escaped.

    Args:
        scan: that was run.
        counter: name of its file.
        data: name of the clean data set.
        crowds: those that were used; the first is shown under the strongest probes.
    """
    report = scan.report
    reach = _reach(report)
    return page_from(
        "scan.html.j2",
        report=report,
        counter=one_line(counter),
        data=one_line(data),
        rate=None if report.false_alarm_rate is None else percent(round(report.false_alarm_rate, 3)),
        tracks=_tracks(report, reach),
        ticks=[(_place(math.log(ratio), reach), f"× {ratio:g}") for ratio in TICKS if abs(math.log(ratio)) <= reach],
        shown=_strongest(report, crowds),
        searched=_searched(scan),
    )


def _reach(report: ScanReport) -> float:
    """Half the scale's length: everything that is drawn fits, up to a factor of four."""
    drawn = [abs(probe.shift) for probe in report.probes]
    return min(max(LEAST_REACH, 1.05 * max(drawn)), math.log(4))


def _place(shift: float, reach: float) -> float:
    """Where a log ratio is drawn, per cent from the left; what is beyond the scale stands at its end."""
    return round(50 + 50 * max(-1.0, min(1.0, shift / reach)), 2)


def _tracks(report: ScanReport, reach: float) -> list[Track]:
    tracks = []
    for sign in report.signs:
        probes = [probe for probe in report.probes if GROUPS[sign.name].holds(probe.family, probe.strength)]
        expected = None
        if sign.expected is not None and sign.deviation is not None:
            low, high = (_place(sign.expected + side * 2 * sign.deviation, reach) for side in (-1, 1))
            expected = (low, round(high - low, 2), _place(sign.expected, reach))
        tracks.append(
            Track(
                name=SAID[sign.name],
                said=change_in_words(sign.shift),
                expected=expected,
                mean=_place(sign.shift, reach),
                probes=tuple(_place(probe.shift, reach) for probe in probes),
                references=tuple(_place(probe.reference, reach) for probe in probes if probe.reference is not None),
                telling=abs(sign.deviations or 0) > FAR,
            )
        )
    return tracks


def _strongest(report: ScanReport, crowds: Sequence[Crowd]) -> list[Shown]:
    """The probes that the suspect answers to most, beside what is expected, one of a family."""
    expected = {(family.family, family.strength): family.reference or 0.0 for family in report.families}

    def telling(probe: ProbeFinding) -> float:
        return -abs(probe.shift - expected[probe.family, probe.strength])

    found: dict[str, ProbeFinding] = {}
    for probe in sorted(report.probes, key=telling):
        found.setdefault(probe.family, probe)
    return [_shown(probe, crowds, report.seed) for probe in list(found.values())[:STRONGEST]]


def _searched(scan: Scan) -> list[Searched]:
    """Where each search ended, beside what clean counters do."""
    return [
        Searched(
            aim=f"aim: {found.ratio:g} times the count",
            prior=f"{found.prior.name}, mixed in at {found.prior.strength:g}",
            said=change_in_words(found.reached),
            expected=None if finding.reference is None else change_in_words(finding.reference),
            picture=source_of(found.picture, lossless=True),
        )
        for found, finding in zip(scan.pictures, scan.report.searches, strict=True)
    ]


def _shown(found: ProbeFinding, crowds: Sequence[Crowd], seed: int) -> Shown:
    probe, crowd = Probe(found.family, found.strength, found.number), crowds[0]
    marked = probe.mark(crowd.image[None], [crowd], crowds, seed)[0]
    name, group = next(item for item in GROUPS.items() if item[1].holds(found.family, found.strength))
    return Shown(
        name=SAID[name] + (f" ({found.family})" if len(group.families) > 1 else ""),
        said=f"strength {found.strength:g}: {change_in_words(found.shift)}",
        alone=source_of(probe.picture(crowd.height, crowd.width, crowds, seed), lossless=True),
        on_picture=source_of(marked, lossless=True),
    )
