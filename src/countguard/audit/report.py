"""What an audit found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

Verdict: TypeAlias = Literal["poisoned", "suspicious", "nothing found"]

FAINT = ("faint picture", "smooth picture")
"""Kinds of groups whose images share what may be an attacker's picture; the other kinds have harmless names."""

VERDICTS: tuple[Verdict, ...] = ("nothing found", "suspicious", "poisoned")
"""From the best to the worst."""


SHOWN = 30
"""Accused groups, and harmless ones, that a page or a terminal shows; audit.json has them all."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of evidence says of an image.

    Attributes:
        kind: of the evidence.
        p: the chance of this or more, were the image like the others.
        says: a sentence.
        group: place in the report's groups, None for what concerns this image alone.
    """

    kind: str
    p: float
    says: str
    group: int | None = None


@dataclass(frozen=True, slots=True)
class ImageAudit:
    """One image.

    Attributes:
        id: of the crowd.
        verdict: of the image.
        p: the least chance over all kinds of evidence, for as many kinds as there were.
        evidence: what speaks against it; empty where nothing does.
        count: heads in its label.
        estimate: heads that the picture shows, where it was estimated.
    """

    id: str
    verdict: Verdict
    p: float
    evidence: tuple[Evidence, ...]
    count: int
    estimate: float | None


@dataclass(frozen=True, slots=True, eq=False)
class GroupAudit:
    """Images that share something.

    Attributes:
        kind: what they share: see `shared_picture`, `local_marks` and `twins`.
        verdict: what it means for its images; "nothing found" where it is named and not accused.
        images: positions in the set.
        strength: the shared picture's range as a fraction of all grey levels; None where there is none.
        recovered: the shared picture, uint8 [3, H, W]; None where there is none.
        p: the chance that unlike images are so alike.
        label_shift: mean log(label / estimate) of its images less the others', in deviations; None if not estimated.
        label_p: the chance of such a shift.
        says: a sentence.
    """

    kind: str
    verdict: Verdict
    images: tuple[int, ...]
    strength: float | None
    recovered: Tensor | None
    p: float
    label_shift: float | None
    label_p: float | None
    says: str


@dataclass(frozen=True, slots=True)
class NotRun:
    """Evidence that could not be gathered, and why."""

    evidence: str
    because: str


@dataclass(frozen=True, slots=True, eq=False)
class AuditReport:
    """A whole set.

    Attributes:
        verdict: the worst of its images'.
        says: why, in a sentence.
        expected_false_alarms: clean sets like this one of which one image or more would be called suspicious.
        images: one an image of the set, in its order.
        groups: accused ones first.
        not_run: evidence that could not be gathered.
        seed: of every random choice.
    """

    verdict: Verdict
    says: str
    expected_false_alarms: float
    images: tuple[ImageAudit, ...]
    groups: tuple[GroupAudit, ...]
    not_run: tuple[NotRun, ...]
    seed: int

    @property
    def kept(self) -> list[int]:
        """Positions of the images of which nothing was found."""
        return [place for place, image in enumerate(self.images) if image.verdict == "nothing found"]

    @property
    def left_out(self) -> list[int]:
        """Positions of the suspicious and the poisoned ones."""
        return [place for place, image in enumerate(self.images) if image.verdict != "nothing found"]

    @property
    def foremost(self) -> list[GroupAudit]:
        """The groups that people are shown: accused ones, then harmless ones, as many of each as `SHOWN`.

        Among very many pictures chance alone makes thousands of small groups with a harmless name.
        """
        accused = [group for group in self.groups if group.verdict != "nothing found"]
        harmless = [group for group in self.groups if group.verdict == "nothing found"]
        return accused[:SHOWN] + harmless[:SHOWN]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of some verdicts; nothing found where there are none."""
    return max(verdicts, key=VERDICTS.index, default="nothing found")
