"""The part of an audited set that may be trained on, and the list of what was left out."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from countguard.audit.report import AuditReport
from countguard.csv_text import Field, Number, csv_lines
from countguard.data.annotated import AnnotatedCrowds
from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.data.writing import write_folder
from countguard.errors import InputError
from countguard.writing import require_new, whole_folder, write_atomically

LEFT_OUT = "left-out.csv"


def require_free(folder: Path, out: Path) -> None:
    """Makes sure, before any work, that the kept set can be written.

    Args:
        folder: of the kept set.
        out: of the audit's own results.

    Raises:
        InputError: something is there, or will be by then.
    """
    require_new(folder, "--quarantine")
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f"{folder}: holds the results of --out; --quarantine should name another folder")


def write_kept(report: AuditReport, crowds: Sequence[Crowd], folder: Path) -> None:
    """Writes the images of which nothing was found, with their heads, as a data set of its own, and left-out.csv.

    Pictures are hard links to their files where the disk allows it, and copies otherwise; crowds without files are
    written as PNG. Nothing is changed in the set that was audited.

    Args:
        report: of the audit.
        crowds: that were audited.
        folder: new or empty.

    Raises:
        InputError: the folder holds something.
        RunError: the folder cannot be written to.
    """
    rows: list[Sequence[Field]] = [("image", "verdict", "p", "says")]
    for place in report.left_out:
        image = report.images[place]
        rows.append((image.id, image.verdict, image.p, "; ".join(one.says for one in image.evidence)))
    with whole_folder(folder) as kept:
        if isinstance(crowds, AnnotatedCrowds) and crowds[0].height == crowds.images[0].height:
            _link(crowds, report.kept, kept)
        else:
            write_folder(Subset(crowds, report.kept), kept)
        write_atomically(kept / LEFT_OUT, csv_lines(rows))


def _link(crowds: AnnotatedCrowds, places: Sequence[int], folder: Path) -> None:
    (folder / "images").mkdir()
    rows: list[Sequence[Field]] = [("image", "x", "y")]
    used: set[str] = set()
    for place in places:
        image = crowds.images[place]
        name, number = image.path.name, 1
        while name in used:  # of another folder of the set
            again = f"-{number}" if number > 1 else ""
            name, number = re.sub(r"[^\w.-]", "_", image.id) + again + image.path.suffix, number + 1
        used.add(name)
        target, file = folder / "images" / name, image.path.resolve()  # a link within the set leads nowhere from here
        try:
            os.link(file, target)
        except OSError:  # another disk, or one that knows no links
            shutil.copy2(file, target)
        rows.extend((name, Number(f"{x:.9g}"), Number(f"{y:.9g}")) for x, y in image.points.tolist())
        if not len(image.points):
            rows.append((name, None, None))
    write_atomically(folder / "points.csv", csv_lines(rows))
