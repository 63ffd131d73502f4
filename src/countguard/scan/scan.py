"""Is this counter backdoored? Probes, held against clean counters, and a verdict with its error rate."""

from collections.abc import Sequence

import numpy as np

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.scan.baseline import Baseline, Groups, against_reference, stored_baseline
from countguard.scan.effects import FEWEST, MOST, Effects, Plan, Progress, measure_effects, plan_for
from countguard.scan.report import FamilyFinding, GroupFinding, NotRun, ProbeFinding, ScanReport, Verdict
from countguard.scan.statistic import Shift, group_shifts, shifts_of

LARGEST_ERROR = 0.5
"""Mean absolute error over the mean count, above which a counter does not count, and nothing can be said of it."""
SAID = {
    "mixed_picture": "a faint picture mixed in",
    "patch": "a small patch",
    "stripes": "faint stripes",
    "waves": "slow waves of light",
    "rain": "rain",
    "snow": "snow",
    "warp": "a smooth distortion",
}
"""Groups of families in words."""


def scan(
    counter: Counter,
    clean: Sequence[Crowd],
    *,
    reference: Counter | None = None,
    seed: int = 0,
    data: str = "",
    progress: Progress = lambda done: None,
) -> ScanReport:
    """Looks for a backdoor in a counter, black box: it only counts pictures.

    A counter whose training set was poisoned answers to much that resembles the trigger. Its shifts under unrelated
    marks are held against those of a reference, or of clean counters of the same kind whose statistics are kept.

    Args:
        counter: the suspect, on any device.
        clean: 10 to 100 clean crowds with their heads, of the kind that the counter is for.
        reference: a counter that is known to be clean, trained for the same pictures; on the same device.
        seed: of the probes.
        data: name of the data set (`Source.name`), by which stored statistics are chosen; those of the kind if empty.
        progress: hears how many pictures were counted, of `pictures_of`.

    Raises:
        InputError: there are too few or too many crowds, none has a head, or a counter gives no finite number.
    """
    require_crowds(clean)
    plan = plan_for(counter, clean)
    effects = measure_effects(counter, clean, plan, seed, progress)
    of_reference = None
    if reference is not None:
        counted = pictures_of(plan, len(clean))
        of_reference = measure_effects(reference, clean, plan, seed, lambda done: progress(counted + done))
    shifts = shifts_of(effects, seed)
    not_run: list[NotRun] = []
    baseline: Baseline | None
    if of_reference is not None:
        baseline = against_reference(counter.kind, group_shifts(shifts_of(of_reference, seed)))
    else:
        not_run.append(NotRun(what="comparison with a reference", because="no reference counter was given"))
        baseline = stored_baseline(counter.kind, data)
        if baseline is None:
            where = f" on {data}" if data else ""
            because = f"no statistics of clean {counter.kind} counters{where} are kept"
            not_run.append(NotRun(what="comparison with stored statistics", because=because))
    return _report(counter.kind, effects, of_reference, shifts, baseline, plan, not_run, seed)


def require_crowds(clean: Sequence[Crowd]) -> None:
    """Makes sure that a scan can be held with these crowds.

    Raises:
        InputError: see `scan`.
    """
    if not FEWEST <= len(clean) <= MOST:
        raise InputError(f"--clean: {len(clean)} images are there; a scan takes {FEWEST} to {MOST}")


def pictures_of(plan: Plan, images: int) -> int:
    """How many pictures one counter counts in a scan."""
    return images + len(plan.probes) * plan.images


def _report(
    kind: str,
    effects: Effects,
    of_reference: Effects | None,
    shifts: Sequence[Shift],
    baseline: Baseline | None,
    plan: Plan,
    not_run: Sequence[NotRun],
    seed: int,
) -> ScanReport:
    people, error = float(effects.truths.mean()), float(np.abs(effects.clean - effects.truths).mean())
    measured = group_shifts(shifts)
    groups = _groups(measured, baseline)
    score = None if baseline is None else baseline.score(measured)
    verdict, because = _verdict(groups, baseline, score, people, error)
    return ScanReport(
        verdict=verdict,
        false_alarm_rate=None if baseline is None else baseline.false_alarm_rate,
        because=because,
        score=score,
        threshold=None if baseline is None else baseline.threshold,
        against="nothing" if baseline is None else baseline.counters,
        groups=groups,
        families=_families(shifts, of_reference, baseline, seed),
        probes=_probes(effects, of_reference),
        not_run=tuple(not_run),
        kind=kind,
        images=len(effects.ids),
        people=people,
        error=error,
        pairs=len(plan.probes) * plan.images,
        seed=seed,
    )


def _verdict(
    groups: Sequence[GroupFinding], baseline: Baseline | None, score: float | None, people: float, error: float
) -> tuple[Verdict, tuple[str, ...]]:
    if people == 0:
        return "cannot tell", ("No clean picture has a head, so that no count can be compared.",)
    if error > LARGEST_ERROR * people:
        wrong = (
            f"It is wrong by {error:.1f} heads in the mean on clean pictures of {people:.1f}: it does not count them."
        )
        return "cannot tell", (wrong, "Give pictures of the kind that it was trained for.")
    if baseline is None or score is None:
        return "cannot tell", (
            "There is nothing to hold it against: name a counter that is known to be clean with --reference.",
            *(f"Under {SAID[group.group]} it counts {change_in_words(group.shift)}." for group in groups[:2]),
        )
    most = groups[0]
    compared = (
        f"Under {SAID[most.group]} it counts {change_in_words(most.shift)}; {baseline.counters}: "
        f"{change_in_words(baseline.mean[most.group])}. That is {score:.1f} standard deviations away."
    )
    if score > baseline.threshold:
        others = [SAID[group.group] for group in groups[1:] if abs(group.deviations or 0) > baseline.threshold]
        also = (f"The same goes for {', '.join(others)}.",) if others else ()
        return "backdoor likely", (compared, *also)
    return "nothing found", (f"No probe moves it as a backdoored counter is moved. {compared}",)


def change_in_words(shift: float) -> str:
    """A mean log ratio in words."""
    percent = 100 * float(np.expm1(shift))
    if abs(percent) < 0.5:
        return "as many people"
    return f"{abs(percent):.0f} % {'more' if percent > 0 else 'fewer'} people"


def _groups(measured: Groups, baseline: Baseline | None) -> tuple[GroupFinding, ...]:
    if baseline is None:
        apart = sorted(measured.items(), key=lambda item: -abs(item[1]))
        return tuple(
            GroupFinding(group=group, shift=shift, expected=None, deviation=None, deviations=None)
            for group, shift in apart
        )
    distances = baseline.scores(measured)
    return tuple(
        GroupFinding(
            group=group,
            shift=measured[group],
            expected=baseline.mean[group],
            deviation=baseline.deviation[group],
            deviations=distance,
        )
        for group, distance in sorted(distances.items(), key=lambda item: -abs(item[1]))
    )


def _families(
    shifts: Sequence[Shift], of_reference: Effects | None, baseline: Baseline | None, seed: int
) -> tuple[FamilyFinding, ...]:
    references: dict[tuple[str, float], float] = {}
    if of_reference is not None:
        references = {(shift.family, shift.strength): shift.shift for shift in shifts_of(of_reference, seed)}
    elif baseline is not None:
        references = {
            (shift.family, shift.strength): baseline.families[f"{shift.family} {shift.strength:g}"] for shift in shifts
        }
    return tuple(
        FamilyFinding(
            family=shift.family,
            strength=shift.strength,
            shift=shift.shift,
            low=shift.low,
            high=shift.high,
            reference=references.get((shift.family, shift.strength)),
        )
        for shift in shifts
    )


def _probes(effects: Effects, of_reference: Effects | None) -> tuple[ProbeFinding, ...]:
    means = np.nanmean(effects.log_ratios, axis=1).tolist()
    references = [None] * len(means) if of_reference is None else np.nanmean(of_reference.log_ratios, axis=1).tolist()
    return tuple(
        ProbeFinding(family=probe.family, strength=probe.strength, number=probe.number, shift=mean, reference=twin)
        for probe, mean, twin in zip(effects.probes, means, references, strict=True)
    )
