"""audit.html: what an audit found, on one page with everything in it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from PIL import Image
from torch import Tensor
from torch.nn import functional

from countguard import __version__
from countguard.audit.report import AuditReport, GroupAudit
from countguard.data.crowd import Crowd
from countguard.errors import one_line
from countguard.reports.data_uri import data_uri
from countguard.wording import percent, plural

EXAMPLES = 3
"""Images of a group that are shown beside what they share."""
ROWS = 200
"""Images that the page lists; audit.csv has them all."""
LISTED = 12
"""Labels of a group that are listed."""
WIDEST = 420
"""Pixels across a picture on the page."""


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


def audit_page(report: AuditReport, data: str, crowds: Sequence[Crowd]) -> bytes:
    """The page as HTML: no script, nothing from the network, every text escaped.

    Args:
        report: of the audit.
        data: name of the data set.
        crowds: that were audited; a few of each group are read again.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("countguard.operate", "templates"), PackageLoader("countguard.reports", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    accused = [place for place, image in enumerate(report.images) if image.verdict != "nothing found"]
    shown = shown_groups(report, crowds)
    page = environment.get_template("audit.html.j2").render(
        report=report,
        data=one_line(data),
        images=plural(len(report.images), "image"),
        accused=[report.images[place] for place in accused[:ROWS]],
        more=len(accused) - len(accused[:ROWS]),
        groups=[group for group in shown if group.accused],
        named=[group for group in shown if not group.accused],
        expected=percent(report.expected_false_alarms),
        version=__version__,
    )
    return page.encode("utf-8", errors="backslashreplace")


def shown_groups(report: AuditReport, crowds: Sequence[Crowd]) -> list[ShownGroup]:
    """The groups of a report with what a page needs to show them.

    Args:
        report: of the audit.
        crowds: that were audited; a few of each group are read again.
    """
    return [_shown(group, report, crowds) for group in report.groups]


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
        recovered=None if group.recovered is None else _source(group.recovered),
        strength=None if group.strength is None else f"{group.strength:.2f}",
        examples=[(report.images[place].id, _source(crowds[place].image)) for place in chosen],
        labels=[
            Label(image.id, image.count, "" if image.estimate is None else f"{image.estimate:.0f}") for image in labels
        ],
        more=len(group.images) - len(labels) if accused else 0,
    )


def _source(picture: Tensor) -> str:
    """A picture uint8 [3, H, W] as an image's source, reduced where it is wider than the page shows it."""
    if picture.shape[-1] > WIDEST:
        size = (max(1, round(picture.shape[-2] * WIDEST / picture.shape[-1])), WIDEST)
        reduced = functional.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0]
        picture = reduced.round().clamp(0, 255).to(picture.dtype)
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(picture.numpy(), 0, -1)).save(file, format="JPEG", quality=90)
    return data_uri(file.getvalue(), "image/jpeg")
