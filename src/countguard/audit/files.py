"""An audit as JSON, and the pictures that it recovered as files."""

import io
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from countguard.audit.report import AuditReport, GroupAudit
from countguard.drawings import png_info


def audit_json(report: AuditReport) -> dict[str, Any]:
    """The report as `audit.json` holds it; docs/audit.md names the keys."""
    names = {id(group): file for file, group in recovered_files(report).items()}
    return {
        "verdict": report.verdict,
        "says": report.says,
        "expected_false_alarms": report.expected_false_alarms,
        "seed": report.seed,
        "images": [
            {
                "image": image.id,
                "verdict": image.verdict,
                "p": image.p,
                "count": image.count,
                "estimate": image.estimate,
                "evidence": [
                    {"kind": one.kind, "p": one.p, "says": one.says, "group": one.group} for one in image.evidence
                ],
            }
            for image in report.images
        ],
        "groups": [
            {
                "kind": group.kind,
                "verdict": group.verdict,
                "images": [report.images[place].id for place in group.images],
                "strength": group.strength,
                "recovered": names.get(id(group)),
                "p": group.p,
                "label_shift": group.label_shift,
                "label_p": group.label_p,
                "says": group.says,
            }
            for group in report.groups
        ],
        "not_run": [{"evidence": one.evidence, "because": one.because} for one in report.not_run],
    }


def recovered_files(report: AuditReport) -> dict[str, GroupAudit]:
    """The groups whose picture was recovered, by the names of their files."""
    shown = [group for group in report.groups if group.recovered is not None]
    return {f"recovered-{number}.png": group for number, group in enumerate(shown, start=1)}


def recovered_png(group: GroupAudit) -> bytes:
    """A group's recovered picture."""
    assert group.recovered is not None
    return png(group.recovered)


def png(picture: Tensor) -> bytes:
    """A picture uint8 [3, H, W] as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(picture.numpy(), 0, -1)).save(file, format="PNG", pnginfo=png_info())
    return file.getvalue()
