"""An audit as SARIF 2.1.0 (OASIS), the format in which pipelines take findings."""

from collections.abc import Sequence
from typing import Any

from countguard import __version__
from countguard.audit.report import AuditReport
from countguard.data.annotated import AnnotatedCrowds
from countguard.data.crowd import Crowd

_LEVELS = {"poisoned": "error", "suspicious": "warning"}


def sarif(report: AuditReport, crowds: Sequence[Crowd]) -> dict[str, Any]:
    """One result for each piece of evidence on each image that is not clean.

    Args:
        report: of the audit.
        crowds: that were audited; names the pictures' files where there are any.
    """
    kinds = dict.fromkeys(one.kind for image in report.images for one in image.evidence)
    results = [
        {
            "ruleId": _rule(one.kind),
            "level": _LEVELS[image.verdict],
            "message": {"text": f"{image.id}: {one.says}"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _file(place, crowds, image.id)}}}],
            "properties": {"verdict": image.verdict, "p": one.p},
        }
        for place, image in enumerate(report.images)
        if image.verdict in _LEVELS
        for one in image.evidence
    ]
    driver = {
        "name": "countguard audit",
        "version": __version__,
        "rules": [{"id": _rule(kind), "shortDescription": {"text": kind}} for kind in kinds],
    }
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(kind: str) -> str:
    return kind.replace(" ", "-")


def _file(place: int, crowds: Sequence[Crowd], name: str) -> str:
    return crowds.images[place].path.resolve().as_uri() if isinstance(crowds, AnnotatedCrowds) else name
