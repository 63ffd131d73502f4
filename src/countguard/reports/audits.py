"""What the audit of a training set looks like on a run's page: the recovered picture beside images that share it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from countguard.audit.files import png
from countguard.reports.data_uri import data_uri
from countguard.runs.audits import Audited
from countguard.runs.run import Run
from countguard.wording import plural

MOST = 8
"""Audits with pictures on one page; the table has them all."""


@dataclass(frozen=True, slots=True)
class ShownAudit:
    """The audit of one training set.

    Attributes:
        title: of which set.
        says: what was found, and how much of it is true.
        recovered: source of the picture that images share; None where there is none.
        examples: name and source of some of those images.
    """

    title: str
    says: str
    recovered: str | None
    examples: Sequence[tuple[str, str]]


def shown_audits(run: Run) -> list[ShownAudit]:
    """The audits at the settings that figures show, of the first seed of each strategy.

    Raises:
        InputError: a picture of an audit is missing or unusable.
    """
    shown: dict[str, ShownAudit] = {}
    for audited in run.audits:
        if audited.file.varied == dict(run.reference) and audited.file.strategy not in shown and len(shown) < MOST:
            shown[audited.file.strategy] = _shown(audited)
    return list(shown.values())


def audit_words(audited: Audited) -> str:
    """What was found in a training set of which it is known what is in it, in a sentence."""
    found, accused = audited.left_out
    poisoned = len(audited.file.poisoned)
    truth = f"{found} of its {plural(poisoned, 'poisoned image')} found" if poisoned else "It has no poisoned image"
    return f"Verdict: {audited.report.verdict}. {truth}, {plural(accused, 'clean image')} accused."


def _shown(audited: Audited) -> ShownAudit:
    recovered = audited.shared
    return ShownAudit(
        title=f"{audited.file.strategy}, {plural(len(audited.report.images), 'training image')}",
        says=f"{audit_words(audited)} {audited.report.says}",
        recovered=None if recovered is None or recovered.recovered is None else _source(recovered.recovered),
        examples=[(name, _source(picture)) for name, picture in audited.examples()],
    )


def _source(picture: Tensor) -> str:
    return data_uri(png(picture), "image/png")
