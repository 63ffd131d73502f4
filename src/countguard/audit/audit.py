"""The audit of a data set: all kinds of evidence, then one verdict."""

from collections.abc import Sequence

from torch import Tensor

from countguard.audit.groups import find_groups
from countguard.audit.label_estimates import label_errors
from countguard.audit.likeness import Likeness
from countguard.audit.local_marks import local_marks
from countguard.audit.point_patterns import point_patterns
from countguard.audit.report import AuditReport
from countguard.audit.shared_picture import image_p_values, shared_pictures
from countguard.audit.survey import SMALL, Progress, survey
from countguard.audit.twins import find_twins
from countguard.audit.verdict import Case
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.counter import Counter

FEWEST = 8
"""Images below which a set says nothing about any of them."""


def audit(
    crowds: Sequence[Crowd], *, counter: Counter | None = None, seed: int = 0, progress: Progress | None = None
) -> AuditReport:
    """Whether somebody has planted something in a data set, before anything is trained on it.

    Pictures are compared with each other, labels with each other, and labels with what the pictures show. No trigger,
    no strategy and no rate is known to it.

    Args:
        crowds: the training set; each picture is read once, those of groups once more.
        counter: one that is trusted, to hold the labels against; None makes light ones of the set itself.
        seed: of every random choice.
        progress: hears how many pictures have been read.

    Raises:
        InputError: there are fewer than 8 images, two have one id, or one is damaged.
    """
    if len(crowds) < FEWEST:
        raise InputError(f"audit: {len(crowds)} images; at least {FEWEST} are needed to tell one from the others")
    seen = survey(crowds, progress=progress)
    if len(set(seen.ids)) < len(seen):
        raise InputError("audit: two images have one id; ids should be unique")

    def image_of(position: int) -> Tensor:
        return crowds[position].image

    twins = find_twins(seen.small, SMALL, seen.counts)
    likeness = Likeness(seen.store, range(len(seen)))
    likeness.forget((pair.first, pair.second) for pair in twins)
    groups = find_groups(likeness)

    case = Case(seen, label_errors(seen, crowds, counter, seed), seed)
    case.add_shared(shared_pictures(likeness, groups, image_of, seed), image_p_values(groups, likeness, len(seen)))
    case.add_marks(local_marks(seen.windows, seen.store.canvas))
    case.add_twins(twins)
    case.add_patterns(point_patterns(seen.points, seen.counts))
    case.add_labels()
    case.add_single()
    return case.report(())
