"""What `countguard count` prints of pictures and of films."""

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from countguard.errors import one_line

_NAMED = 20
"""Lines on what was left out; of more, the others are counted."""


def count_pictures(
    counter: Path,
    images: Sequence[Path],
    format: str,
    *,
    overlays: Path | None,
    skip_bad: bool,
    recursive: bool,
    guard: Path | None,
    clean: Sequence[Path],
) -> None:
    """Counts pictures and prints table, csv or json; what folders hold beside them is named as skipped."""
    from countguard.data.picture_folders import find_pictures
    from countguard.models import load_counter
    from countguard.operate import count as counts
    from countguard.operate.guarding import guard_of

    named = find_pictures(images, recursive=recursive)
    loaded = load_counter(counter)
    guarding = guard_of(loaded, counter, guard, clean)
    found = list(counts.count_pictures(loaded, named.pictures, overlays=overlays, skip_bad=skip_bad, guard=guarding))
    found += [counts.PictureCount(path, None, why) for path, why in named.left_out.items()]
    if format == "table":
        Console().print(counts.counts_table(found))
    else:
        typer.echo((counts.counts_csv(found) if format == "csv" else counts.counts_json(found)).rstrip())
    _say([row.problem for row in found if row.problem])


def count_films(
    counter: Path,
    films: Sequence[Path],
    format: str,
    every: str,
    *,
    out: Path | None,
    overlays: Path | None,
    skip_bad: bool,
    guard: Path | None,
    clean: Sequence[Path],
) -> None:
    """Counts films and prints table, csv or json."""
    from countguard.data.film import pace_from
    from countguard.models import load_counter
    from countguard.operate import count_film as counts
    from countguard.operate.guarding import guard_of

    pace = pace_from(every)
    loaded = load_counter(counter)
    guarding = guard_of(loaded, counter, guard, clean)
    places = {"out": out, "overlays": overlays}
    found = list(counts.count_films(loaded, films, pace, **places, skip_bad=skip_bad, guard=guarding))
    if format == "table":
        Console().print(counts.films_table(found))
    else:
        typer.echo((counts.films_csv(found) if format == "csv" else counts.films_json(found)).rstrip())
    for film in found:
        for path in film.files:
            typer.echo(f"written: {one_line(str(path))}", err=True)
    _say([film.problem for film in found if film.problem])


def _say(problems: Sequence[str]) -> None:
    for problem in problems[:_NAMED]:
        typer.echo(f"skipped: {one_line(problem)}", err=True)
    if len(problems) > _NAMED:
        typer.echo(f"skipped: {len(problems) - _NAMED} more; --format json names all of them", err=True)
