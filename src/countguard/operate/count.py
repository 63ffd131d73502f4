"""What `countguard count` does and prints: the number of people in each picture."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from countguard.csv_text import Field, Number, csv_lines
from countguard.data.images import read_image
from countguard.drawings import drawn_files
from countguard.errors import InputError, RunError, one_line
from countguard.escaping import rich_text
from countguard.explain.density import heads_of, people_per_cell
from countguard.models.counter import Counter
from countguard.operate.overlay import draw_overlay
from countguard.scan.guard import Guard, Look
from countguard.writing import require_results, write_atomically


@dataclass(frozen=True, slots=True)
class PictureCount:
    """One picture: counted, or skipped for a reason.

    Attributes:
        file: as it was given or found.
        count: number of people; None where the picture was skipped.
        problem: why it was skipped, one line; empty where it was counted.
        look: what the guard says of it; None without one.
    """

    file: Path
    count: float | None
    problem: str = ""
    look: Look | None = None


def count_pictures(
    counter: Counter,
    pictures: Sequence[Path],
    *,
    overlays: Path | None = None,
    skip_bad: bool = False,
    guard: Guard | None = None,
) -> Iterator[PictureCount]:
    """Counts one picture after the other.

    Args:
        counter: on any device.
        pictures: from `countguard.data.picture_folders.find_pictures`.
        overlays: a folder that gets a density map over each picture, as `NAME-density.png`; made where it is missing.
        skip_bad: go on after pictures that cannot be read, and say why.
        guard: of this counter and its repaired twin, with a threshold; looks at each picture, too.

    Raises:
        InputError: a picture cannot be read and `skip_bad` is not asked for, the counter gives no finite number, or
            an overlay would overwrite a picture.
        RunError: an overlay cannot be written.
    """
    if overlays:
        require_results(overlays, {}, "--overlays")
    targets = drawn_files(pictures, overlays, "overlay", "-density") if overlays else {}
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
            drawn = draw_overlay(image, density, counter.stride, heads_of(counter, image))
            _write_overlay(targets[picture], drawn)
        yield PictureCount(picture, people, look=guard.look(image[None].to(counter.mean.device))[0] if guard else None)


def counts_table(counts: Sequence[PictureCount]) -> Table:
    """The counts for a terminal, with their sum."""
    counted = [row.count for row in counts if row.count is not None]
    skipped = len(counts) - len(counted)
    table = Table(show_footer=len(counts) > 1)
    footer = f"{len(counted)} counted" + (f", {skipped} skipped" if skipped else "")
    table.add_column("picture", footer=footer, overflow="fold")
    table.add_column("people", footer=f"{sum(counted):.1f}", justify="right")
    guarded = any(row.look for row in counts)
    if guarded:
        table.add_column("repaired", justify="right")
        table.add_column("alarm", footer=str(sum(row.look.alarm for row in counts if row.look)))
    for row in counts:
        people = Text("skipped", style="yellow") if row.count is None else Text(f"{row.count:.1f}")
        fields = [rich_text(str(row.file)), people]
        if row.look:
            alarm = Text("ALARM", style="bold red") if row.look.alarm else Text("no")
            fields += [Text(f"{row.look.repaired:.1f}"), alarm]
        table.add_row(*fields)
    return table


def counts_csv(counts: Sequence[PictureCount]) -> str:
    """The counts as CSV: file, count (empty where skipped), problem; with a guard also repaired and alarm (yes, no).

    A quote goes before what a sheet would compute.
    """
    guarded = any(row.look for row in counts)
    rows: list[list[Field]] = [["file", "count", "problem", *(["repaired", "alarm"] if guarded else [])]]
    for row in counts:
        count = None if row.count is None else Number(f"{row.count:.3f}")
        fields: list[Field] = [one_line(str(row.file)), count, one_line(row.problem)]
        if guarded and row.look:
            fields += [Number(f"{row.look.repaired:.3f}"), "yes" if row.look.alarm else "no"]
        elif guarded:
            fields += [None, None]
        rows.append(fields)
    return csv_lines(rows)


def counts_json(counts: Sequence[PictureCount]) -> str:
    """The counts as JSON: `{"images": [{"file", "count"}], "total", "skipped": [{"file", "problem"}]}`.

    With a guard, images also have `repaired` and `alarm`.
    """
    images = [
        {"file": one_line(str(row.file)), "count": round(row.count, 3)}
        | ({"repaired": round(row.look.repaired, 3), "alarm": row.look.alarm} if row.look else {})
        for row in counts
        if row.count is not None
    ]
    skipped = [{"file": one_line(str(row.file)), "problem": row.problem} for row in counts if row.count is None]
    total = round(sum(row.count for row in counts if row.count is not None), 3)
    return json.dumps({"images": images, "total": total, "skipped": skipped}, indent=2, ensure_ascii=False)


def _write_overlay(path: Path, png: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, png)
    except OSError as error:
        raise RunError(f"{path}: the overlay cannot be written ({error.strerror}); give another folder") from error
