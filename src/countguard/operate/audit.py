"""What `countguard audit` does: opens a data set, audits it, and leaves what it found as files."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.table import Table
from torch import Tensor

from countguard.audit.audit import audit
from countguard.audit.report import AuditReport, GroupAudit
from countguard.csv_text import csv_lines
from countguard.data.source import Official, Source
from countguard.drawings import PNG_MARK, png_info
from countguard.errors import RunError
from countguard.escaping import rich_text
from countguard.models import load_counter
from countguard.operate.audit_page import audit_page
from countguard.operate.quarantine import require_free, write_kept
from countguard.operate.sarif import sarif
from countguard.studies.progress import counted
from countguard.writing import require_results, write_atomically

MARKS = {
    "audit.json": b'"verdict"',
    "audit.csv": b"image,verdict,p",
    "audit.html": b": countguard audit</title>",
    "audit.sarif": b'"countguard audit"',
}
"""What is written beside recovered pictures, and by what an earlier one is known."""
COLUMNS = ("image", "verdict", "p", "count", "estimate", "evidence", "says")


def audit_data(
    source: Source,
    out: Path,
    *,
    counter: Path | None = None,
    quarantine: Path | None = None,
    with_sarif: bool = False,
    seed: int = 0,
) -> AuditReport:
    """Audits the training images of a data set, and writes audit.json, audit.csv, audit.html and recovered-*.png.

    Args:
        source: of the crowds.
        out: a folder, made where it is missing.
        counter: file of a counter that is trusted; None makes light ones of the set itself.
        quarantine: a new folder for the images of which nothing was found; None writes none.
        with_sarif: also write audit.sarif, for pipelines.
        seed: of every random choice.

    Raises:
        InputError: the counter's file, the crowds or a folder are not usable, or there are too few images.
        RunError: a folder cannot be written to.
    """
    marks = dict(MARKS) if with_sarif else {name: mark for name, mark in MARKS.items() if name != "audit.sarif"}
    require_results(out, marks | {path.name: PNG_MARK for path in out.glob("recovered-*.png")}, "--out")
    if quarantine is not None:
        require_free(quarantine, out)
    trusted = load_counter(counter) if counter is not None else None
    crowds = source.model_copy(update={"split": Official(), "images": None}).load_training()
    with counted("pictures", len(crowds)) as progress:
        report = audit(crowds, counter=trusted, seed=seed, progress=progress)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, group in recovered_files(report).items():
            write_atomically(out / file, png(group))
        write_atomically(out / "audit.csv", audit_csv(report))
        write_atomically(out / "audit.html", audit_page(report, source.name, crowds))
        if with_sarif:
            write_atomically(out / "audit.sarif", json.dumps(sarif(report, crowds), indent=1) + "\n")
        write_atomically(out / "audit.json", json.dumps(audit_json(report), indent=1) + "\n")
    except OSError as error:
        raise RunError(f"{error.filename or out}: cannot be written ({error.strerror}); give another --out") from error
    if quarantine is not None:
        write_kept(report, crowds, quarantine)
    return report


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


def audit_csv(report: AuditReport) -> str:
    """A line an image: `COLUMNS`."""
    lines: list[Sequence[str | int | float | None]] = [COLUMNS]
    for image in report.images:
        kinds = "; ".join(dict.fromkeys(one.kind for one in image.evidence))
        says = "; ".join(one.says for one in image.evidence)
        estimate = None if image.estimate is None else round(image.estimate, 1)
        lines.append((image.id, image.verdict, image.p, image.count, estimate, kinds, says))
    return csv_lines(lines)


def audit_table(report: AuditReport) -> Table:
    """The groups, for a terminal."""
    table = Table()
    for heading in ("verdict", "what its images share"):
        table.add_column(heading)
    table.add_column("images", justify="right")
    for group in report.groups:
        table.add_row(group.verdict, rich_text(group.says), f"{len(group.images)}")
    return table


def recovered_files(report: AuditReport) -> dict[str, GroupAudit]:
    """The groups whose picture was recovered, by the names of their files."""
    shown = [group for group in report.groups if group.recovered is not None]
    return {f"recovered-{number}.png": group for number, group in enumerate(shown, start=1)}


def png(group: GroupAudit) -> bytes:
    """A group's recovered picture."""
    picture = group.recovered
    assert isinstance(picture, Tensor)
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(picture.numpy(), 0, -1)).save(file, format="PNG", pnginfo=png_info())
    return file.getvalue()
