"""The audit of a data set: all kinds of evidence, then one verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countguard.audit.copies import find_copies
from countguard.audit.label_estimates import LabelErrors, label_errors
from countguard.audit.local_marks import LocalMark, local_marks
from countguard.audit.point_patterns import point_patterns
from countguard.audit.report import AuditReport
from countguard.audit.shared_picture import ImageOf, SharedPicture, shared_pictures
from countguard.audit.survey import SMALL, Progress, Survey, TakeBlocks, in_threads, survey
from countguard.audit.verdict import Case
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.counter import Counter

FEWEST = 8
"""Images below which a set says nothing about any of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What the pictures say, without their labels.

    Attributes:
        copies: pairs of positions of near-copies.
        shared: groups and what they share.
        shared_p: for each image the chance to be as like a group as it is.
        marks: things in one place of many images.
    """

    copies: list[tuple[int, int]]
    shared: list[SharedPicture]
    shared_p: NDArray[np.float64]
    marks: list[LocalMark]


def audit(
    crowds: Sequence[Crowd],
    *,
    counter: Counter | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    take_blocks: TakeBlocks = in_threads,
) -> AuditReport:
    """Whether somebody has planted something in a data set, before anything is trained on it.

    Pictures are compared with each other, labels with each other, and labels with what the pictures show. It knows no
    trigger, no strategy and no rate. docs/audit.md says what it finds and what it misses.

    Args:
        crowds: the training set; each picture is read once, those of groups once more.
        counter: one that is trusted, to hold the labels against; None makes light ones of the set itself.
        seed: of every random choice.
        progress: hears how many pictures have been read.
        take_blocks: where pictures are read; the report is the same.

    Raises:
        InputError: there are fewer than 8 images, two have one id, or one is damaged.
    """
    if len(crowds) < FEWEST:
        raise InputError(f"audit: {len(crowds)} images; at least {FEWEST} are needed to tell one from the others")
    seen = survey(crowds, progress=progress, take_blocks=take_blocks)
    if len(set(seen.ids)) < len(seen):
        raise InputError("audit: two images have one id; ids should be unique")
    looked = look(seen, lambda position: crowds[position].image, seed)
    return judge(seen, looked, label_errors(seen, crowds, counter, seed), seed)


def look(seen: Survey, image_of: ImageOf, seed: int) -> Looked:
    """The evidence of pictures alone.

    Args:
        seen: survey of the set.
        image_of: reads the image at a position of the set again.
        seed: of every random choice.
    """
    copies = find_copies(seen.small, SMALL, seed)
    shared, shared_p = shared_pictures(seen.store, copies, image_of, seed)
    return Looked(copies, shared, shared_p, local_marks(seen.windows, seen.store.canvas, seed))


def judge(seen: Survey, looked: Looked, errors: LabelErrors, seed: int) -> AuditReport:
    """The verdict, by pictures and labels together."""
    case = Case(seen, errors, seed)
    case.add_shared(looked.shared, looked.shared_p)
    case.add_marks(looked.marks)
    case.add_copies(looked.copies)
    case.add_patterns(point_patterns(seen.points, seen.counts))
    case.add_labels()
    case.add_single()
    return case.report()
