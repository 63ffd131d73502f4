"""What `countguard count` does and prints: the number of people in each picture."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from countguard.data.images import read_image
from countguard.errors import InputError, RunError, one_line
from countguard.explain.density import people_per_cell
from countguard.models.counter import Counter
from countguard.operate.overlay import draw_overlay
from countguard.reports.tables.formats import csv_text
from countguard.writing import write_atomically


@dataclass(frozen=True, slots=True)
class PictureCount:
    """One picture: counted, or skipped for a reason.

    Attributes:
        file: as it was given or found.
        count: number of people; None where the picture was skipped.
        problem: why it was skipped, one line; empty where it was counted.
    """

    file: Path
    count: float | None
    problem: str = ""


def count_pictures(
    counter: Counter, pictures: Sequence[Path], *, overlays: Path | None = None, skip_bad: bool = False
) -> Iterator[PictureCount]:
    """Counts one picture after the other.

    Args:
        counter: on any device.
        pictures: from `countguard.data.picture_folders.find_pictures`.
        overlays: a folder that gets a density map over each picture, as `NAME-density.png`; made where it is missing.
        skip_bad: go on after pictures that cannot be read, and say why.

    Raises:
        InputError: a picture cannot be read and `skip_bad` is not asked for, the counter gives no finite number, or
            an overlay would overwrite one of the pictures.
        RunError: an overlay cannot be written.
    """
    targets = _overlay_files(pictures, overlays) if overlays else {}
    for picture in pictures:
        try:
            image = read_image(picture)
        except InputError as error:
            if not skip_bad:
                raise
            yield PictureCount(picture, None, str(error))
            continue
        density = people_per_cell(counter, image)
        people = float(density.sum())
        if not math.isfinite(people):
            raise InputError(f"{picture}: the counter gives {people} people; its weights or settings are damaged")
        if overlays:
            _write_overlay(targets[picture], draw_overlay(image, density, counter.stride))
        yield PictureCount(picture, people)


def counts_table(counts: Sequence[PictureCount]) -> Table:
    """The counts for a terminal, with their sum."""
    counted = [row.count for row in counts if row.count is not None]
    skipped = len(counts) - len(counted)
    table = Table(show_footer=len(counts) > 1)
    footer = f"{len(counted)} counted" + (f", {skipped} skipped" if skipped else "")
    table.add_column("picture", footer=footer, overflow="fold")
    table.add_column("people", footer=f"{sum(counted):.1f}", justify="right")
    for row in counts:
        people = Text("skipped", style="yellow") if row.count is None else Text(f"{row.count:.1f}")
        table.add_row(Text(one_line(str(row.file))), people)
    return table


def counts_csv(counts: Sequence[PictureCount]) -> str:
    """The counts as CSV: file, count (empty where skipped), problem. A quote goes before what a sheet would compute."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "count", "problem"])
    for row in counts:
        count = "" if row.count is None else f"{row.count:.3f}"
        writer.writerow([csv_text(str(row.file)), count, csv_text(row.problem)])
    return buffer.getvalue()


def counts_json(counts: Sequence[PictureCount]) -> str:
    """The counts as JSON: `{"images": [{"file", "count"}], "total", "skipped": [{"file", "problem"}]}`."""
    images = [
        {"file": one_line(str(row.file)), "count": round(row.count, 3)} for row in counts if row.count is not None
    ]
    skipped = [{"file": one_line(str(row.file)), "problem": row.problem} for row in counts if row.count is None]
    total = round(sum(row.count for row in counts if row.count is not None), 3)
    return json.dumps({"images": images, "total": total, "skipped": skipped}, indent=2, ensure_ascii=False)


def _overlay_files(pictures: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """A file for each picture's overlay; that of a second IMG_1, from another folder, is IMG_1-2-density.png."""
    files: dict[Path, Path] = {}
    taken: set[str] = set()
    given = {picture.resolve() for picture in pictures}
    for picture in pictures:
        name, number = picture.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{picture.stem}-{number}"
        taken.add(name.casefold())
        files[picture] = folder / f"{name}-density.png"
        if files[picture].resolve() in given:
            raise InputError(f"{folder}: the overlay of {picture.name} would overwrite a picture; give another folder")
    return files


def _write_overlay(path: Path, png: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, png)
    except OSError as error:
        raise RunError(f"{path}: the overlay cannot be written ({error.strerror}); give another folder") from error
