"""What `countguard audit` does: opens a data set, audits it, and leaves what it found as files."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue
from rich.table import Table

from countguard import __version__
from countguard.audit.audit import audit
from countguard.audit.files import audit_json, recovered_files, recovered_png
from countguard.audit.report import AuditReport
from countguard.audit.survey import TakeBlocks, in_threads
from countguard.csv_text import csv_lines
from countguard.data.crowd import Crowd
from countguard.data.source import Source
from countguard.drawings import PNG_MARK
from countguard.errors import RunError
from countguard.escaping import rich_text
from countguard.models import load_counter
from countguard.operate.audit_page import audit_page, shown_groups
from countguard.operate.kept_blocks import kept_blocks
from countguard.operate.kept_work import kept_work
from countguard.operate.quarantine import require_free, write_kept
from countguard.operate.sarif import sarif
from countguard.progress import counted
from countguard.writing import new_folder, remove_results, require_results, write_atomically

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
    take_blocks: TakeBlocks = in_threads,
    seed: int = 0,
) -> AuditReport:
    """Audits the training images of a data set, and writes audit.json, audit.csv, audit.html and recovered-*.png.

    Interrupted, what was taken from the pictures is kept in the folder `OUT/audit.json.part`, and the same call goes on
    from there.

    Args:
        source: of the crowds.
        out: a folder, made where it is missing.
        counter: file of a counter that is trusted; None makes light ones of the set itself.
        quarantine: a new folder for the images of which nothing was found; None writes none.
        with_sarif: also write audit.sarif, for pipelines.
        take_blocks: where pictures are read; the report is the same.
        seed: of every random choice.

    Raises:
        InputError: the counter's file, the crowds or a folder are not usable, or there are too few images.
        RunError: a folder cannot be written to.
        Interrupted: by Ctrl-C.
    """
    require_results(out, _marks(with_sarif) | _pictures(out), "--out")
    if quarantine is not None:
        require_free(quarantine, out)
    trusted = load_counter(counter) if counter is not None else None
    crowds = source.crowds("train")
    command: dict[str, JsonValue] = {
        "verb": "audit",
        "version": __version__,
        "DATA": source.model_dump(mode="json"),
    }
    with new_folder(out), kept_work(out / "audit.json", command) as kept:
        with counted("pictures", len(crowds)) as progress:
            take = kept_blocks(take_blocks, kept)
            report = audit(crowds, counter=trusted, seed=seed, progress=progress, take_blocks=take)
        _write(report, source, crowds, out, with_sarif)
        kept.done = True
    if quarantine is not None:
        write_kept(report, crowds, quarantine)
    return report


def _marks(with_sarif: bool) -> dict[str, bytes]:
    return {name: mark for name, mark in MARKS.items() if with_sarif or name != "audit.sarif"}


def _pictures(out: Path) -> dict[str, bytes]:
    """The recovered pictures that are there, with their mark."""
    names = [path.name for path in out.glob("recovered-*.png")]
    return {name: PNG_MARK for name in names if re.fullmatch(r"recovered-\d+\.png", name)}


def _write(report: AuditReport, source: Source, crowds: Sequence[Crowd], out: Path, with_sarif: bool) -> None:
    pictures = recovered_files(report)
    try:
        for file, group in pictures.items():
            write_atomically(out / file, recovered_png(group))
        write_atomically(out / "audit.csv", audit_csv(report))
        write_atomically(out / "audit.html", audit_page(report, source.name, shown_groups(report, crowds)))
        if with_sarif:
            write_atomically(out / "audit.sarif", json.dumps(sarif(report, crowds), indent=1) + "\n")
        write_atomically(out / "audit.json", json.dumps(audit_json(report), indent=1) + "\n")
        remove_results(out, MARKS | _pictures(out), but=[*pictures, *_marks(with_sarif)])
    except OSError as error:
        raise RunError(f"{error.filename or out}: cannot be written ({error.strerror}); give another --out") from error


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
    """The foremost groups, for a terminal."""
    table = Table()
    for heading in ("verdict", "what its images share"):
        table.add_column(heading)
    table.add_column("images", justify="right")
    for group in report.foremost:
        table.add_row(group.verdict, rich_text(group.says), f"{len(group.images)}")
    return table
