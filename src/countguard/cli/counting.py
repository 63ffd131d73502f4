"""What `countguard count` prints of pictures and of films."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import JsonValue

from countguard.errors import InputError, Interrupted, one_line
from countguard.progress import counted

if TYPE_CHECKING:
    from countguard.journal import Journal
    from countguard.operate.count import PictureCount, Size
    from countguard.operate.count_film import FilmCounts, FrameCount
    from countguard.scan.guard import Guard

_NAMED = 20
"""Lines on what was left out; of more, the others are counted."""


def count_pictures(
    counter: Path,
    images: Sequence[Path],
    format: str,
    *,
    size: "Size",
    overlays: Path | None,
    out: Path | None,
    strict: bool,
    recursive: bool,
    guard: Path | None,
    clean: Sequence[Path],
) -> int:
    """Counts pictures, and prints them or writes them to a file; returns how many are bad.

    Rows of CSV and JSON lines are printed one by one, bad pictures are named as they are met, and what folders hold
    beside pictures is named at the end.

    Raises:
        InputError: see `countguard.operate.count`; or no picture can be read.
        Interrupted: by Ctrl-C; what was counted is printed, or kept for the same command.
    """
    from countguard.data.picture_folders import find_pictures
    from countguard.models import load_counter
    from countguard.models.counting import keep_large_blocks
    from countguard.models.inference import for_inference
    from countguard.operate import count as counts
    from countguard.operate.count_file import count_file
    from countguard.operate.guarding import guard_of

    keep_large_blocks()
    named = find_pictures(images, recursive=recursive)
    loaded = for_inference(load_counter(counter))
    guarding = guard_of(loaded, counter, guard, clean)
    rows: list[PictureCount] = []
    beside = [counts.PictureCount(path, None, why) for path, why in named.left_out.items()]
    waiting: list[PictureCount] = []
    bad = 0
    shown = _Rows(format if out is None else "none", guarded=guarding is not None)
    with ExitStack() as stack:
        file = None
        if out is not None:
            command = _command(counter, guard, guarding) | {
                "--scale": size.scale,
                "--max-side": size.max_side,
                "--overlays": None if overlays is None else str(overlays),
            }
            file = stack.enter_context(count_file(out, command, named.pictures))
        known = file.known if file else lambda picture: None
        try:
            with counted("pictures", len(named.pictures), start=len(file.journal) if file else 0) as progress:
                for row in counts.count_pictures(
                    loaded,
                    named.pictures,
                    size=size,
                    overlays=overlays,
                    strict=strict,
                    guard=guarding,
                    known=known,
                ):
                    rows.append(row)
                    bad += row.count is None
                    if file:
                        file.add(row)
                    waiting.append(row)
                    if bad < len(rows):  # bad ones wait for the first good one: without any, the input is wrong
                        for one in waiting:
                            shown.add(one)
                            _say("skipped", [one.problem] if one.problem else [])
                        waiting.clear()
                    progress(len(rows))
        except KeyboardInterrupt:
            shown.end(rows)
            raise Interrupted(_left(len(rows), len(named.pictures), out)) from None
        except Exception:
            shown.end(rows)
            raise
        if bad == len(rows):
            raise InputError(rows[0].problem if bad == 1 else f"none of {bad} pictures can be read; {rows[0].problem}")
        if file:
            file.write([*rows, *beside])
    for row in beside:
        shown.add(row)
    shown.end([*rows, *beside])
    _say("ignored", [row.problem for row in beside])
    _sum_up(rows, bad, out)
    return bad


def _command(counter: Path, guard: Path | None, guarding: "Guard | None") -> dict[str, JsonValue]:
    """All that a row depends on beside its picture, and how it is looked at."""
    from countguard import __version__
    from countguard.models.hub import fetched
    from countguard.writing import sha256_of

    return {
        "verb": "count",
        "version": __version__,
        "COUNTER": sha256_of(fetched(counter)[0]),
        "--guard": None if guard is None else sha256_of(fetched(guard)[0]),
        "threshold": guarding.calibration.threshold if guarding is not None and guarding.calibration else None,
    }


def _left(done: int, total: int, out: Path | None) -> str:
    """What an interrupted count has left."""
    if not done:
        return "nothing was counted"
    if out is None:
        return f"{done} of {total} pictures were counted; with --out FILE they are kept, and the same command goes on"
    return f"{done} of {total} pictures are kept in {out}.part, and the same command goes on from there"


def _sum_up(rows: Sequence["PictureCount"], bad: int, out: Path | None) -> None:
    """The last lines, on stderr: rows go to programs."""
    if out is not None:
        people = sum(row.count for row in rows if row.count is not None)
        typer.echo(f"counted: {len(rows) - bad} of {len(rows)} pictures, {people:.1f} people")
        typer.echo(f"written: {one_line(str(out))}")
    if bad:
        typer.echo(f"countguard: {bad} of {len(rows)} pictures could not be counted; the others were", err=True)


class _Rows:
    """Prints rows: one by one where the format allows that, and all at the end otherwise."""

    def __init__(self, format: str, *, guarded: bool) -> None:
        self.format, self.guarded = format, guarded
        self._begun = False

    def add(self, row: "PictureCount") -> None:
        from countguard.operate.count_formats import csv_head, csv_row, json_line

        if self.format == "csv":
            if not self._begun:
                typer.echo(csv_head(guarded=self.guarded), nl=False)
            typer.echo(csv_row(row, guarded=self.guarded), nl=False)  # echo flushes
        elif self.format == "jsonl":
            typer.echo(json_line(row), nl=False)
        self._begun = True

    def end(self, rows: Sequence["PictureCount"]) -> None:
        """Prints what comes as a whole."""
        from countguard.operate.count_formats import counts_json, counts_table

        if self.format == "json" and rows:
            typer.echo(counts_json(rows))
        elif self.format == "table" and rows:
            from rich.console import Console

            Console().print(counts_table(rows))


def count_films(
    counter: Path,
    films: Sequence[Path],
    format: str,
    every: str,
    *,
    out: Path | None,
    overlays: Path | None,
    strict: bool,
    guard: Path | None,
    clean: Sequence[Path],
) -> int:
    """Counts films, and prints a table, or their frames as CSV, JSON or JSON lines; returns how many are bad.

    What was counted before an error is printed, too.

    Raises:
        Interrupted: by Ctrl-C; what was counted is printed, and with `out` written, and kept for the same command.
    """
    from countguard.data.film import pace_from
    from countguard.journal import journal_beside
    from countguard.models import load_counter
    from countguard.models.counting import keep_large_blocks
    from countguard.models.inference import for_inference
    from countguard.operate import count_film as counts
    from countguard.operate.guarding import guard_of
    from countguard.writing import new_folder

    keep_large_blocks()
    pace = pace_from(every)
    loaded = for_inference(load_counter(counter))
    guarding = guard_of(loaded, counter, guard, clean)
    found: list[FilmCounts] = []
    begun: dict[Path, list[FrameCount]] = {}
    shown = _Frames(format, guarded=guarding is not None)
    with ExitStack() as stack:
        kept = None
        if out is not None:
            command = _command(counter, guard, guarding) | {"--every": every}
            stack.enter_context(new_folder(out))
            kept = stack.enter_context(journal_beside(out / "counts", command))
        try:
            with counted("frames", None) as progress:

                def hear(film: Path, row: "FrameCount") -> None:
                    shown.add(film, row)
                    begun.setdefault(film, []).append(row)
                    progress(shown.frames)

                for film in counts.count_films(
                    loaded,
                    films,
                    pace,
                    out=out,
                    overlays=overlays,
                    strict=strict,
                    guard=guarding,
                    heard=hear,
                    kept=kept,
                ):
                    found.append(film)
                    begun.pop(film.film, None)
                    for path in film.files:
                        typer.echo(f"written: {one_line(str(path))}", err=True)
                    if film.problem:
                        _say("skipped", [film.problem])
        except KeyboardInterrupt:
            shown.end([*found, *_broken_off(begun, "interrupted")])
            raise Interrupted(_left_of_films(shown.frames, kept)) from None
        except Exception as error:
            shown.end([*found, *_broken_off(begun, one_line(str(error)))])
            raise
        if kept is not None:
            kept.finish()
    shown.end(found)
    return sum(bool(film.problem) for film in found)


def _broken_off(films: "Mapping[Path, Sequence[FrameCount]]", why: str) -> "list[FilmCounts]":
    """Films of which some frames were counted when the command ended."""
    from countguard.operate import count_film as counts

    return [counts.FilmCounts(film, rows, why) for film, rows in films.items()]


def _left_of_films(frames: int, kept: "Journal | None") -> str:
    """What an interrupted count of films has left."""
    if not frames:
        return "nothing was counted"
    if kept is None:
        return f"{frames} frames were counted; with --out FOLDER they are kept, and the same command goes on"
    return f"{frames} frames are kept in {kept.path}, and the same command goes on from there"


class _Frames:
    """Prints the frames of films: one by one where the format allows that, and all at the end otherwise."""

    def __init__(self, format: str, *, guarded: bool) -> None:
        self.format, self.guarded = format, guarded
        self.frames = 0

    def add(self, film: Path, row: "FrameCount") -> None:
        from countguard.operate import count_film as counts

        if self.format == "csv":
            head = counts.films_csv_head(guarded=self.guarded) if not self.frames else ""
            typer.echo(head + counts.films_csv_row(film, row, guarded=self.guarded), nl=False)
        elif self.format == "jsonl":
            typer.echo(counts.json_line(film, row), nl=False)
        self.frames += 1

    def end(self, films: Sequence["FilmCounts"]) -> None:
        """Prints what comes as a whole."""
        from countguard.operate import count_film as counts

        if self.format == "json" and films:
            typer.echo(counts.films_json(films))
        elif self.format == "table" and films:
            from rich.console import Console

            Console().print(counts.films_table(films))


def _say(what: str, problems: Sequence[str]) -> None:
    for problem in problems[:_NAMED]:
        typer.echo(f"{what}: {one_line(problem)}", err=True)
    if len(problems) > _NAMED:
        typer.echo(f"{what}: {len(problems) - _NAMED} more; --format json names all of them", err=True)
