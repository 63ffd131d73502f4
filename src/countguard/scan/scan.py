"""Is this counter backdoored? Probes and searched pictures, held against clean counters, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countguard.data.crowd import Crowd
from countguard.errors import InputError, one_line
from countguard.journal import Journal
from countguard.models.counter import Counter
from countguard.scan.baseline import Baseline, against_reference, stored_baseline
from countguard.scan.effects import FEWEST, MOST, Effects, Plan, Progress, cost_of, measure_effects, plan_for
from countguard.scan.report import FamilyFinding, NotRun, ProbeFinding, ScanReport, SearchFinding, Sign, Verdict
from countguard.scan.search import IMAGES, PRIORS, RATIOS, SIDE, STEPS, Found, features, search
from countguard.scan.statistic import GROUPS, group_shifts, shifts_of

LARGEST_ERROR = 0.5
"""Mean absolute error over the mean count, above which a counter does not count, and nothing can be said of it."""
SEARCH_WORK = 5e12
"""Floating point operations that all searches of one counter may cost; costlier counters are probed only."""
FAR = 3
"""Standard deviations from which a mark is named beside the farthest."""
_STEP = 3 * IMAGES / 2
"""Counts that one step of a search costs: forth and back, for half of the images."""
SAID = {
    "mixed_picture": "a faint picture mixed in",
    "stronger_picture": "a picture mixed in twice as strongly",
    "contrast": "more contrast",
    "patch": "a small patch",
    "stripes": "faint stripes",
    "waves": "slow waves of light",
    "rain": "rain",
    "snow": "snow",
    "warp": "a smooth distortion",
    **{
        f"{ratio:g} {prior.name}": f"the {kind} picture found for {ratio:g} times the count"
        for prior, kind in zip(PRIORS, ("smooth", "fainter"), strict=True)
        for ratio in RATIOS
    },
}
"""Everything that a verdict is made of, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """Everything that was measured on one counter.

    Attributes:
        effects: of the probes.
        found: by the searches; None where none was run.
    """

    effects: Effects
    found: tuple[Found, ...] | None

    def signs(self, seed: int) -> dict[str, float]:
        """Mean log ratios by what caused them, see `SAID`."""
        return group_shifts(shifts_of(self.effects, seed)) | features(self.found or ())


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A finished scan.

    Attributes:
        report: what was found.
        pictures: that the searches ended at; empty where none was run.
    """

    report: ScanReport
    pictures: tuple[Found, ...]


def scan(
    counter: Counter,
    clean: Sequence[Crowd],
    *,
    reference: Counter | None = None,
    seed: int = 0,
    data: str = "",
) -> ScanReport:
    """Looks for a backdoor in a counter.

    A counter whose training set was poisoned answers to much that resembles the trigger. Its shifts under unrelated
    marks, and under pictures that are searched by gradients, are held against those of a reference, or of clean
    counters of the same kind whose statistics are kept. The marks decide; the searched pictures are shown.

    Args:
        counter: the suspect, on any device.
        clean: 10 to 100 clean crowds with their heads, of the kind that the counter is for.
        reference: a counter that is known to be clean, trained for the same pictures; on the same device.
        seed: of probes and searches.
        data: name of the data set (`Source.name`), by which stored statistics are chosen; any of the kind if empty.

    Raises:
        InputError: there are too few or too many crowds, or a counter gives no finite number.
    """
    return run_scan(counter, clean, reference=reference, seed=seed, data=data).report


def run_scan(
    counter: Counter,
    clean: Sequence[Crowd],
    *,
    reference: Counter | None = None,
    seed: int = 0,
    data: str = "",
    progress: Progress = lambda done: None,
    kept: Journal | None = None,
) -> Scan:
    """As `scan`, with the pictures that were found.

    `progress` hears how much is done, of `work_of`; `kept` is what an interrupted scan has measured.
    """
    require_crowds(clean)
    not_run: list[NotRun] = []
    counters = [counter] if reference is None else [counter, reference]
    searched, plan = _searchable(counters, clean, not_run), _shared_plan(counters, clean)
    kept = Journal() if kept is None else kept
    examined = examine(counter, clean, seed, searched, progress, kept.part("counter"), plan)
    signs = examined.signs(seed)
    known, baseline = None, None
    if reference is not None:
        half = work_of(counters, clean) // 2

        def second(done: int) -> None:
            progress(half + done)

        known = examine(reference, clean, seed, searched, second, kept.part("reference"), plan)
        baseline = against_reference(counter.kind, known.signs(seed))
    else:
        not_run.append(NotRun(what="comparison with a reference", because="no reference counter was given"))
        baseline = stored_baseline(counter.kind, data, signs)
        if baseline is None:
            where = f" on {one_line(data)}" if data else ""
            because = f"no statistics of clean {counter.kind} counters{where} are kept"
            not_run.append(NotRun(what="comparison with stored statistics", because=because))
    report = _report(counter.kind, examined, signs, known, baseline, not_run, seed)
    return Scan(report, examined.found or ())


def require_crowds(clean: Sequence[Crowd]) -> None:
    """Makes sure that a scan can be held with these crowds.

    Raises:
        InputError: see `scan`.
    """
    if not FEWEST <= len(clean) <= MOST:
        raise InputError(f"--clean: {len(clean)} images are there; a scan takes {FEWEST} to {MOST}")


def work_of(counters: Sequence[Counter], clean: Sequence[Crowd]) -> int:
    """How many pictures a scan counts, with the suspect alone or with the suspect and a reference.

    A step of a search counts for as many as it costs. Each counter has the same work.
    """
    plan = _shared_plan(counters, clean)
    steps = STEPS * len(RATIOS) * len(PRIORS) if _searchable(counters, clean, []) else 0
    return len(counters) * (len(clean) + len(plan.probes) * plan.images + round(steps * _STEP))


def _shared_plan(counters: Sequence[Counter], clean: Sequence[Crowd]) -> Plan:
    """The plan of the costliest counter, for all of them: each is then measured on the same pairs."""
    return min((plan_for(counter, clean) for counter in counters), key=lambda plan: len(plan.probes) * plan.images)


def _searchable(counters: Sequence[Counter], clean: Sequence[Crowd], not_run: list[NotRun]) -> bool:
    """Whether pictures can be searched by gradients through each counter; if not, says why."""
    return all(_searchable_alone(counter, clean, not_run) for counter in counters)


def _searchable_alone(counter: Counter, clean: Sequence[Crowd], not_run: list[NotRun]) -> bool:
    if not any(parameter.is_floating_point() for parameter in counter.parameters()):
        not_run.append(NotRun(what="search by gradients", because="there are no weights that gradients pass through"))
        return False
    work = cost_of(counter, clean[0].image[:, :SIDE, :SIDE]) * _STEP * STEPS * len(RATIOS) * len(PRIORS)
    if work > SEARCH_WORK:
        because = f"it costs {work:.0e} operations for this counter, and is run up to {SEARCH_WORK:.0e}"
        not_run.append(NotRun(what="search by gradients", because=because))
        return False
    return True


def examine(
    counter: Counter,
    clean: Sequence[Crowd],
    seed: int,
    searched: bool,
    progress: Progress = lambda done: None,
    kept: Journal | None = None,
    plan: Plan | None = None,
) -> Examined:
    """Measures one counter, without a verdict.

    Args:
        counter: on any device.
        clean: crowds with their heads.
        seed: of probes and searches.
        searched: whether pictures are searched by gradients, too.
        progress: hears how much is done, of `work_of`.
        kept: what an interrupted scan of this counter has measured.
        plan: which probes are put on which crowds; None for the counter's own.

    Raises:
        InputError: the counter gives no finite number.
    """
    kept = Journal() if kept is None else kept
    plan = plan_for(counter, clean) if plan is None else plan
    effects = measure_effects(counter, clean, plan, seed, progress, kept)
    if not searched:
        return Examined(effects, None)
    counted = float(len(clean) + len(plan.probes) * plan.images)
    found = []
    for prior in PRIORS:
        for ratio in RATIOS:
            name = f"search {ratio:g} {prior.name}"
            if (row := kept.get(name)) is not None:
                found.append(Found.from_json(row, ratio, prior))
            else:
                found.append(search(counter, clean, ratio, prior, seed))
                kept.add(name, found[-1].as_json())
            counted += STEPS * _STEP
            progress(round(counted))
    return Examined(effects, tuple(found))


def _report(
    kind: str,
    examined: Examined,
    measured: Mapping[str, float],
    known: Examined | None,
    baseline: Baseline | None,
    not_run: Sequence[NotRun],
    seed: int,
) -> ScanReport:
    effects = examined.effects
    people, error = float(effects.truths.mean()), float(np.abs(effects.clean - effects.truths).mean())
    signs = _signs(measured, baseline)
    score = None if baseline is None else baseline.score(measured)
    verdict, because = _verdict(signs, baseline, score, people, error)
    return ScanReport(
        verdict=verdict,
        false_alarm_rate=None if baseline is None else baseline.false_alarm_rate,
        because=because,
        score=score,
        threshold=None if baseline is None else baseline.threshold,
        against="nothing" if baseline is None else baseline.counters,
        signs=signs,
        families=_families(effects, None if known is None else known.effects, baseline, seed),
        probes=_probes(effects, None if known is None else known.effects),
        searches=_searches(examined, known, baseline),
        not_run=tuple(not_run),
        kind=kind,
        images=len(effects.ids),
        people=people,
        error=error,
        pairs=int((~np.isnan(effects.probed)).sum()),
        seed=seed,
    )


def _verdict(
    signs: Sequence[Sign], baseline: Baseline | None, score: float | None, people: float, error: float
) -> tuple[Verdict, tuple[str, ...]]:
    if people == 0:
        return "cannot tell", ("No clean picture has a head, so that no count can be compared.",)
    if error > LARGEST_ERROR * people:
        wrong = f"It is wrong by {error:.1f} heads in the mean on clean pictures that have {people:.1f}."
        return "cannot tell", (wrong, "Give pictures of the kind that it was trained for.")
    if baseline is None or score is None:
        return "cannot tell", (
            "There is nothing to hold it against: name a counter that is known to be clean with --reference.",
            *(f"Under {SAID[sign.name]} it counts {change_in_words(sign.shift)}." for sign in signs[:2]),
        )
    most = signs[0]
    distance = abs(most.deviations or 0)
    compared = (
        f"Under {SAID[most.name]} it counts {change_in_words(most.shift)}; {baseline.counters}: "
        f"{change_in_words(baseline.mean[most.name])}. That is {distance:.1f} standard deviations away."
    )
    together = (
        f"All marks together are {score:.1f} standard deviations away; {1 - baseline.false_alarm_rate:.0%} of clean "
        f"counters stay within {baseline.threshold:.1f}."
    )
    if score > baseline.threshold:
        others = [SAID[sign.name] for sign in signs[1:] if abs(sign.deviations or 0) > FAR]
        also = (f"It is more than {FAR} away under {', '.join(others)}, too.",) if others else ()
        return "backdoor likely", (compared, *also, together)
    return "nothing found", (f"No mark moves it as a backdoored counter is moved. {compared}", together)


def change_in_words(shift: float) -> str:
    """A mean log ratio in words."""
    percent = 100 * float(np.expm1(shift))
    if abs(percent) < 0.5:
        return "as many people"
    return f"{abs(percent):.0f} % {'more' if percent > 0 else 'fewer'} people"


def _signs(measured: Mapping[str, float], baseline: Baseline | None) -> tuple[Sign, ...]:
    if baseline is None:
        apart = sorted(measured.items(), key=lambda item: -abs(item[1]))
        return tuple(
            Sign(name=name, shift=shift, expected=None, deviation=None, deviations=None)
            for name, shift in apart
            if name in GROUPS
        )
    distances = sorted(baseline.scores(measured).items(), key=lambda item: -abs(item[1]))
    return tuple(
        Sign(
            name=name,
            shift=measured[name],
            expected=baseline.mean[name],
            deviation=baseline.deviation[name],
            deviations=distance,
        )
        for name, distance in distances
    )


def _families(
    effects: Effects, known: Effects | None, baseline: Baseline | None, seed: int
) -> tuple[FamilyFinding, ...]:
    references: Mapping[str, float] = {}
    if known is not None:
        references = {f"{shift.family} {shift.strength:g}": shift.shift for shift in shifts_of(known, seed)}
    elif baseline is not None:
        references = baseline.families
    return tuple(
        FamilyFinding(
            family=shift.family,
            strength=shift.strength,
            shift=shift.shift,
            low=shift.low,
            high=shift.high,
            reference=references.get(f"{shift.family} {shift.strength:g}"),
        )
        for shift in shifts_of(effects, seed)
    )


def _probes(effects: Effects, known: Effects | None) -> tuple[ProbeFinding, ...]:
    means = np.nanmean(effects.log_ratios, axis=1).tolist()
    references = [None] * len(means) if known is None else np.nanmean(known.log_ratios, axis=1).tolist()
    return tuple(
        ProbeFinding(family=probe.family, strength=probe.strength, number=probe.number, shift=mean, reference=other)
        for probe, mean, other in zip(effects.probes, means, references, strict=True)
    )


def _searches(examined: Examined, known: Examined | None, baseline: Baseline | None) -> tuple[SearchFinding, ...]:
    expected: Mapping[str, float] = {} if baseline is None else baseline.mean
    if known is not None:
        expected = features(known.found or ())
    return tuple(
        SearchFinding(
            ratio=found.ratio,
            prior=found.prior.name,
            strength=found.prior.strength,
            reached=found.reached,
            reference=expected.get(found.name),
        )
        for found in examined.found or ()
    )
