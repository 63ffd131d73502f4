"""From evidence to a verdict: a faint picture is suspicious, and labels that err with it to one side make it poison."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from countguard.audit.aligned_groups import COMPARED as ALIGNED
from countguard.audit.label_estimates import LabelErrors
from countguard.audit.laws import normal_cut, normal_tail, student_tail
from countguard.audit.likeness import TO_DEVIATION, centre_and_spread
from countguard.audit.local_marks import LocalMark
from countguard.audit.point_patterns import Pattern
from countguard.audit.report import FAINT, AuditReport, Evidence, GroupAudit, ImageAudit, NotRun, Verdict, worst
from countguard.audit.shared_picture import SharedPicture
from countguard.audit.single_pictures import LEAST_SPREAD, STATISTICS
from countguard.audit.survey import Survey

EXPECTED_FALSE_ALARMS = 0.01
"""Clean sets of which something is said, as a fraction of all clean sets, by the p-values alone."""
_KINDS = 6
"""Kinds of evidence that share it."""
_ONE_SIDED = 1e-3
"""Chance of a group's label errors below which they make a faint picture poison."""
_OF_NAMED = 1e-8
"""The same for groups with a harmless name, such as a logo: frames of one camera that are alike reach 1e-7."""
_LARGE = 1.2
"""Least mean error of such a group, in deviations of single images."""
_OTHER_MARKS = 4
"""Marks of other images from which on it is known how far marks err in a set."""
_LEAST_P = 1e-300
_TAILS = 5.0
_HEADS, _SHARE = 2, 0.03
"""Heads, and share of the heads, by which the labels of two copies may differ: people label people."""

_NAMES = {
    "faint picture": "a faint picture over the whole frame",
    "smooth picture": "a faint picture without edges (the shading of a lens can look so)",
    "same scene": "one scene, or something opaque over most of the frame",
    "shared in part": "something in a part of the frame, as a border, a time stamp or a skyline",
    "common in this set": "something that many other images of this set share as well",
}


class Case:
    """Collects evidence on a set's images and groups.

    Args:
        survey: of the set.
        errors: labels beside estimates.
        seed: of the tests on groups.
    """

    def __init__(self, survey: Survey, errors: LabelErrors, seed: int) -> None:
        self._survey = survey
        self._errors = errors
        self._seed = seed
        self._evidence: list[list[Evidence]] = [[] for _ in survey.ids]
        self._verdicts: list[list[Verdict]] = [[] for _ in survey.ids]
        self._p: list[NDArray[np.float64]] = []
        self._groups: list[GroupAudit] = []

    def add_shared(self, pictures: Sequence[SharedPicture], image_p: NDArray[np.float64]) -> None:
        """Groups that share a picture, and the chance of each image to be so like one of them.

        A picture without edges may be the shading of a lens, so that it alone is no reason for suspicion.
        """
        self._p.append(image_p)
        for shared in pictures:
            faint = shared.kind in FAINT
            shift, label_p = self._labels_of(shared.members)
            verdict: Verdict = "nothing found"
            if faint and label_p < _ONE_SIDED:
                verdict = "poisoned"
            elif shared.kind == "faint picture" or (label_p < _OF_NAMED and abs(shift) > _LARGE):
                verdict = "suspicious"
            share = f", mixed in at about {shared.recovered.strength:.2f}" if faint else ""
            says = f"{len(shared.members)} images share {_NAMES[shared.kind]}{share}; {_labels_say(shift, label_p)}"
            self._accuse(shared.members.tolist(), shared.kind, verdict, shared.p, says, shift, label_p, shared=shared)

    def add_marks(self, marks: Sequence[LocalMark]) -> None:
        """Marks in one place; a logo is no fault, unless the labels of its images err.

        A window of a faint picture is alike in the images that share it. Those are accused already, so a mark is judged
        by its other images, which would otherwise be accused for the errors of the first. Before a fixed camera a place
        is alike wherever nobody stands, so that all marks err: a mark is accused where it errs by more than the others.
        """
        known = self._of_faint_pictures()
        judged = []
        for mark in marks:
            members = np.array([place for place in mark.members.tolist() if place not in known], dtype=np.intp)
            if len(members):
                judged.append((mark, members, *self._labels_of(members)))
        deviations = normal_cut(np.maximum([p for *_, p in judged], _LEAST_P) / 2)
        apart = _apart([members for _, members, *_ in judged])
        for place, (mark, members, shift, label_p) in enumerate(judged):
            others, deviation = deviations[apart[place]], float(deviations[place])
            usual = max(1.0, TO_DEVIATION * float(np.median(others))) if len(others) >= _OTHER_MARKS else 1.0
            accused = 2 * normal_tail(deviation / usual) < _OF_NAMED and abs(shift) > _LARGE
            says = f"{len(members)} images have the same thing at the {mark.place}; {_labels_say(shift, label_p)}"
            verdict: Verdict = "suspicious" if accused else "nothing found"
            self._accuse(members.tolist(), "local mark", verdict, label_p, says, shift, label_p)

    def add_copies(self, copies: Sequence[tuple[int, int]]) -> None:
        """Near-copies. Where labels differ, the side is accused whose labels the pictures contradict more."""
        counts, errors = self._survey.counts, np.abs(self._errors.errors)
        ordered = [sorted(pair, key=lambda place: float(counts[place])) for pair in copies]
        sides = [
            (low, high) for low, high in ordered if counts[high] - counts[low] > max(_HEADS, _SHARE * counts[high])
        ]
        if not sides:
            return
        faint = self._of_faint_pictures()
        higher_is_wrong = sum(errors[high] - errors[low] for low, high in sides) > 0
        altered = []
        for low, high in sides:
            known = [place for place in (low, high) if place in faint]
            altered.append(known[0] if len(known) == 1 else (high if higher_is_wrong else low))
        shift, label_p = self._labels_of(np.array(sorted(set(altered))))
        says = f"{len(sides)} images have a near-copy in the set with another label; {_labels_say(shift, label_p)}"
        verdict: Verdict = "poisoned" if label_p < _ONE_SIDED or faint.intersection(altered) else "suspicious"
        self._accuse(sorted(set(altered)), "near-copies", verdict, 0.0, says, shift, label_p)

    def add_patterns(self, patterns: Sequence[Pattern]) -> None:
        """What labels alone show. One count too often is a fault only where the pictures show other counts."""
        for pattern in patterns:
            if len(pattern.images) == 1 and pattern.p < EXPECTED_FALSE_ALARMS / _KINDS:
                self._note(pattern.images[0], "suspicious", Evidence("labels alone", pattern.p, pattern.says))
            elif len(pattern.images) > 1 and pattern.p < EXPECTED_FALSE_ALARMS / _KINDS:
                shift, label_p = self._labels_of(np.array(pattern.images))
                accused = label_p < EXPECTED_FALSE_ALARMS / _KINDS and abs(shift) > _LARGE
                says = f"{pattern.says}; {_labels_say(shift, label_p)}"
                verdict: Verdict = "suspicious" if accused else "nothing found"
                self._accuse(list(pattern.images), "labels alone", verdict, pattern.p, says, shift, label_p)

    def add_labels(self) -> None:
        """Labels that the pictures contradict, one by one."""
        p = self._errors.image_p_values()
        self._p.append(p)
        for place in np.flatnonzero(p < EXPECTED_FALSE_ALARMS / _KINDS / len(p)).tolist():
            estimate = self._errors.estimates[place]
            says = f"{len(self._survey.points[place])} heads are labelled, {self._errors.by} count {estimate:.0f}"
            self._note(place, "suspicious", Evidence("labels against pictures", float(p[place]), says))

    def add_single(self) -> None:
        """Pictures that are made in another way than the others."""
        standard = np.empty_like(self._survey.statistics)
        for place, values in enumerate(self._survey.statistics.T):
            centre, spread = centre_and_spread(values)
            standard[:, place] = (values - centre) / max(spread, float(LEAST_SPREAD[place]))
        each = 2 * student_tail(np.abs(standard), _TAILS)
        p = np.minimum(each.min(axis=1) * len(STATISTICS), 1)
        self._p.append(p)
        for place in np.flatnonzero(p < EXPECTED_FALSE_ALARMS / _KINDS / len(p)).tolist():
            worst_one = int(each[place].argmin())
            says = f"its {STATISTICS[worst_one]} lies {standard[place, worst_one]:+.1f} deviations from the others'"
            self._note(place, "suspicious", Evidence("single pictures", float(p[place]), says))

    def report(self) -> AuditReport:
        """Everything together."""
        least = np.minimum.reduce(self._p) if self._p else np.ones(len(self._survey))
        images = []
        for place, name in enumerate(self._survey.ids):
            evidence = tuple(sorted(self._evidence[place], key=lambda one: one.p))
            p = min([float(least[place]), *(one.p for one in evidence)])
            images.append(
                ImageAudit(
                    name,
                    worst(self._verdicts[place]),
                    min(1.0, _KINDS * p),
                    evidence,
                    len(self._survey.points[place]),
                    float(self._errors.estimates[place]),
                )
            )
        verdict = worst([image.verdict for image in images])
        return AuditReport(
            verdict=verdict,
            says=self._sentence(verdict, images),
            expected_false_alarms=EXPECTED_FALSE_ALARMS,
            images=tuple(images),
            groups=tuple(self._groups),
            not_run=self._not_run(),
            seed=self._seed,
        )

    def _not_run(self) -> tuple[NotRun, ...]:
        missing = []
        if self._errors.blocks is not None:
            missing.append(NotRun("labels against a trusted counter", "none was given; light ones stood in for it"))
        if len(self._survey) > ALIGNED:
            because = f"{len(self._survey)} images are too many to move each over each; {ALIGNED} were drawn"
            missing.append(NotRun("shifted and mirrored pictures, in all images", because))
        return tuple(missing)

    def _sentence(self, verdict: Verdict, images: Sequence[ImageAudit]) -> str:
        if verdict == "nothing found":
            named = sum(1 for group in self._groups if group.verdict == "nothing found")
            return f"Nothing was found in {len(images)} images." + (
                f" {named} groups of images share something that has a harmless name." if named else ""
            )
        accused = sum(1 for image in images if image.verdict != "nothing found")
        reasons = [group.says for group in self._groups if group.verdict != "nothing found"]
        return f"{accused} of {len(images)} images should not be trained on. " + (
            f"The first reason: {reasons[0]}." if reasons else "See each image's evidence."
        )

    def _of_faint_pictures(self) -> set[int]:
        accused = (group for group in self._groups if group.kind in FAINT and group.verdict != "nothing found")
        return {place for group in accused for place in group.images}

    def _labels_of(self, members: NDArray[np.intp]) -> tuple[float, float]:
        return self._errors.of_group(members.tolist(), self._seed)

    def _accuse(
        self,
        members: list[int],
        kind: str,
        verdict: Verdict,
        p: float,
        says: str,
        shift: float,
        label_p: float,
        shared: SharedPicture | None = None,
    ) -> None:
        group = GroupAudit(
            kind=kind,
            verdict=verdict,
            images=tuple(members),
            strength=shared.recovered.strength if shared else None,
            recovered=shared.recovered.picture if shared else None,
            p=p,
            label_shift=shift,
            label_p=label_p,
            says=says,
        )
        self._groups.append(group)
        if verdict != "nothing found":
            for place in members:
                self._note(place, verdict, Evidence(kind, p, says, len(self._groups) - 1))

    def _note(self, place: int, verdict: Verdict, evidence: Evidence) -> None:
        self._evidence[place].append(evidence)
        self._verdicts[place].append(verdict)


def _labels_say(shift: float, p: float) -> str:
    if p >= _ONE_SIDED:
        return "their labels agree with their pictures as other labels do"
    direction = "more" if shift > 0 else "fewer"
    return f"their labels have {direction} heads than their pictures show (p = {p:.1g})"


def _apart(groups: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
    """For each group (row) which others have less than half of their images in common with it: [groups, groups]."""
    if not groups:
        return np.empty((0, 0), bool)
    sizes = np.array([len(group) for group in groups], dtype=np.intp)
    images = np.concatenate(groups)
    inside = csr_array((np.ones(len(images), np.int32), (np.repeat(np.arange(len(groups)), sizes), images)))
    apart: NDArray[np.bool_] = (inside @ inside.T).toarray() < sizes / 2
    return apart
