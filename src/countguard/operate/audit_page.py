"""audit.html: what an audit found, on one page with everything in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from countguard.audit.report import AuditReport, GroupAudit
from countguard.data.crowd import Crowd
from countguard.errors import one_line
from countguard.operate.pages import page_from, source_of
from countguard.wording import percent, plural

EXAMPLES = 3
"""Images of a group that are shown beside what they share."""
ROWS = 200
"""Images that the page lists; audit.csv has them all."""
LISTED = 12
"""Labels of a group that are listed."""


@dataclass(frozen=True, slots=True)
class Label:
    """One image's label beside what its picture shows."""

    image: str
    count: int
    estimate: str


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A group as the page shows it.

    Attributes:
        title: what its images share.
        number: of its images.
        says: the sentence.
        accused: whether its images are.
        recovered: source of the recovered picture; None where there is none.
        strength: in words.
        examples: id and source of some of its images.
        labels: of some of its images.
        more: how many labels are not listed.
    """

    title: str
    number: int
    says: str
    accused: bool
    recovered: str | None
    strength: str | None
    examples: Sequence[tuple[str, str]]
    labels: Sequence[Label]
    more: int


def audit_page(report: AuditReport, data: str, shown: Sequence[ShownGroup]) -> bytes:
    """The page as HTML: no script, nothing from the network, every text escaped.

    Args:
        report: of the audit.
        data: name of the data set.
        shown: its groups, from `shown_groups`.
    """
    accused = [place for place, image in enumerate(report.images) if image.verdict != "nothing found"]
    return page_from(
        "audit.html.j2",
        report=report,
        data=one_line(data),
        images=plural(len(report.images), "image"),
        accused=[report.images[place] for place in accused[:ROWS]],
        more=len(accused) - len(accused[:ROWS]),
        groups=[group for group in shown if group.accused],
        unseen=plural(len(report.groups) - len(shown), "more group") if len(report.groups) > len(shown) else "",
        named=[group for group in shown if not group.accused],
        expected=percent(report.expected_false_alarms),
    )


def shown_groups(report: AuditReport, crowds: Sequence[Crowd]) -> list[ShownGroup]:
    """The foremost groups of a report with what a page needs to show them.

    Args:
        report: of the audit.
        crowds: that were audited; a few of each group are read again.
    """
    return [_shown(group, report, crowds) for group in report.foremost]


def _shown(group: GroupAudit, report: AuditReport, crowds: Sequence[Crowd]) -> ShownGroup:
    accused = group.verdict != "nothing found"
    step = max(1, len(group.images) // EXAMPLES)
    chosen = group.images[::step][:EXAMPLES]
    labels = [report.images[place] for place in group.images[:LISTED]] if accused else []
    return ShownGroup(
        title=group.kind,
        number=len(group.images),
        says=group.says,
        accused=accused,
        recovered=None if group.recovered is None else source_of(group.recovered),
        strength=None if group.strength is None else f"{group.strength:.2f}",
        examples=[(report.images[place].id, source_of(crowds[place].image)) for place in chosen],
        labels=[
            Label(image.id, image.count, "" if image.estimate is None else f"{image.estimate:.0f}") for image in labels
        ],
        more=len(group.images) - len(labels) if accused else 0,
    )
