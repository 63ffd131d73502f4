"""What `countguard count` does with a film: counts over time, as a table, as CSV, as a curve, and over the film."""

import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import TypeAdapter
from rich.table import Table
from rich.text import Text

from countguard.csv_text import Field, Number, csv_lines
from countguard.data.film import FilmFrame, Pace, film_frames
from countguard.drawings import PNG_MARK, SOFTWARE
from countguard.errors import InputError, RunError, one_line
from countguard.explain.density import heads_of, people_per_cell
from countguard.glyphs import spell_out
from countguard.journal import Journal
from countguard.models.counter import Counter
from countguard.operate.kept_rows import KeptRows
from countguard.reading import stamp_of
from countguard.scan.guard import Guard, Look
from countguard.writing import require_results, whole_file, write_atomically

_DRAWN = "drawn by countguard"
_MARKS = {".csv": b"seconds,frame,count", ".png": PNG_MARK, ".svg": b">countguard<", ".mp4": _DRAWN.encode()}
"""By what an earlier result is known."""


@dataclass(frozen=True, slots=True)
class FrameCount:
    """One frame of a film, counted.

    Attributes:
        seconds: since the film's beginning.
        frame: its number, from 0.
        count: number of people.
        look: what the guard says of it; None without one.
    """

    seconds: float
    frame: int
    count: float
    look: Look | None = None


_ROW: TypeAdapter[FrameCount] = TypeAdapter(FrameCount)


@dataclass(frozen=True, slots=True)
class FilmCounts:
    """A film, counted.

    Attributes:
        film: as it was given.
        counts: in the order of time.
        problem: why the film breaks off, one line; empty where it does not.
        files: that were written.
    """

    film: Path
    counts: Sequence[FrameCount]
    problem: str = ""
    files: Sequence[Path] = ()


def count_films(
    counter: Counter,
    films: Sequence[Path],
    pace: Pace,
    *,
    out: Path | None = None,
    overlays: Path | None = None,
    strict: bool = False,
    guard: Guard | None = None,
    heard: Callable[[Path, FrameCount], None] = lambda film, row: None,
    kept: Journal | None = None,
) -> Iterator[FilmCounts]:
    """Counts one film after the other.

    Args:
        counter: on any device.
        films: files; two of one name cannot share a folder of results.
        pace: how far the counted frames are apart.
        out: a folder that gets NAME-counts.csv, .png and .svg, also of what was counted before an interruption.
        overlays: a folder that gets the counted frames with their density maps over them, as NAME-density.mp4.
        strict: end at a film's damage; without it what comes before counts, and the films after it are counted.
        guard: of this counter and its repaired twin, with a threshold; looks at each counted frame, too.
        heard: is given each frame as it was counted.
        kept: frames that were counted before are taken from there while their film is unchanged, and others are added.
            With `overlays` every frame is counted, for its map is needed.

    Raises:
        InputError: see `countguard.data.film.film_frames`; the counter gives no finite number, or a result would
            overwrite one of the films.
        RunError: PyAV is missing, or a file cannot be written.
    """
    stems = [film.stem.casefold() for film in films]
    if (out or overlays) and len(set(stems)) < len(stems):
        raise InputError("films of one name would share one file of results; count them one by one")
    given = {film.resolve() for film in films}
    for film in films:
        results = [*_result_files(film, out), *([_overlay_file(film, overlays)] if overlays is not None else [])]
        for file in results:
            if file.resolve() in given:
                raise InputError(f"{file}: is one of the films and would be overwritten; give another folder")
        for folder, option in ((out, "--out"), (overlays, "--overlays")):
            if folder is not None:
                marks = {file.name: _MARKS[file.suffix] for file in results if file.parent == folder}
                require_results(folder, marks, option)
    if overlays is not None:
        overlays.mkdir(parents=True, exist_ok=True)
    for film in films:
        rows: list[FrameCount] = []
        problems: list[str] = []
        files: list[Path] = []
        over = _overlay_file(film, overlays) if overlays is not None else None
        try:
            damaged = None if strict else problems.append
            known = _KeptFrames(film, Journal() if kept is None else kept)
            for row in count_film(counter, film, pace, overlay_to=over, guard=guard, damaged=damaged, known=known):
                rows.append(row)  # one by one: what was counted is kept
                heard(film, row)
        finally:
            if out is not None and rows:
                files = write_film(film, rows, out)
        if over is not None and rows:
            files = [*files, over]
        yield FilmCounts(film, rows, " ".join(problems), files)


def count_film(
    counter: Counter,
    film: Path,
    pace: Pace,
    *,
    overlay_to: Path | None = None,
    guard: Guard | None = None,
    damaged: Callable[[str], None] | None = None,
    known: "_KeptFrames | None" = None,
) -> Iterator[FrameCount]:
    """Counts frames of a film, one after the other; raises as `count_films`.

    Args:
        counter: on any device.
        film: a file.
        pace: how far the frames are apart.
        overlay_to: gets the counted frames as a film with their density maps over them, where there are any; None for
            none.
        guard: looks at each of them, too.
        damaged: hears why the film ends where it is damaged; None raises that.
        known: what was counted before.
    """
    with _overlay_film(overlay_to, pace) as overlays:
        for frame in _until_damage(film_frames(film, pace), damaged):
            row = known.get(frame.number) if known is not None and overlays is None else None
            if row is None:
                row = _look(counter, film, frame, overlays, guard)
                if known is not None:
                    known.add(row)
            yield row


class _KeptFrames:
    """The frames of a film that a journal has."""

    def __init__(self, film: Path, journal: Journal) -> None:
        self._film = film
        self._rows = KeptRows(journal, _ROW)

    @cached_property
    def _stamp(self) -> list[int]:
        return stamp_of(self._film)

    def get(self, frame: int) -> FrameCount | None:
        """A frame that was counted before; raises as `KeptRows.get`."""
        return self._rows.get(f"{self._film}: {frame}", self._stamp)

    def add(self, row: FrameCount) -> None:
        """Keeps a frame."""
        self._rows.add(f"{self._film}: {row.frame}", self._stamp, row)


def _until_damage(frames: Iterator[FilmFrame], damaged: Callable[[str], None] | None) -> Iterator[FilmFrame]:
    try:
        yield from frames
    except InputError as error:
        if damaged is None:
            raise
        damaged(str(error))


def _look(
    counter: Counter, film: Path, frame: FilmFrame, overlays: "_OverlayFilm | None", guard: Guard | None
) -> FrameCount:
    """The one place where a frame is looked at."""
    density = people_per_cell(counter, frame.image)
    people = float(density.sum())
    if not math.isfinite(people):
        raise InputError(f"{film}: the counter gives {people} people; its weights or settings are damaged")
    if overlays is not None:
        from countguard.operate.overlay import overlay

        overlays.add(overlay(frame.image, density, counter.stride, heads_of(counter, frame.image)))
    look = guard.look(frame.image[None].to(counter.mean.device))[0] if guard else None
    return FrameCount(frame.seconds, frame.number, people, look)


def films_table(films: Sequence[FilmCounts]) -> Table:
    """Fewest, mean and most people of each film, for a terminal, and with a guard the number of alarms."""
    table = Table()
    table.add_column("film", overflow="fold")
    guarded = any(row.look for film in films for row in film.counts)
    for heading in ("frames", "fewest", "mean", "most", "most at", *(["alarms", "first alarm"] if guarded else [])):
        table.add_column(heading, justify="right")
    for film in films:
        name = Text(one_line(str(film.film)))
        if not film.counts:
            table.add_row(name, Text("skipped", style="yellow"))
            continue
        values = [row.count for row in film.counts]
        most = max(film.counts, key=lambda row: row.count)
        numbers = [f"{value:.1f}" for value in (min(values), sum(values) / len(values), most.count)]
        numbers = [f"{len(values)}", *numbers, f"{most.seconds:.1f} s"]
        if guarded:
            alarms = alarms_of(film.counts)
            numbers += [f"{len(alarms)}", f"{alarms[0].seconds:.1f} s" if alarms else ""]
        table.add_row(name, *(Text(number) for number in numbers))
    return table


def alarms_of(counts: Sequence[FrameCount]) -> list[FrameCount]:
    """The frames for which the guard raises an alarm."""
    return [row for row in counts if row.look is not None and row.look.alarm]


def films_csv(films: Sequence[FilmCounts]) -> str:
    """The counts of all films as CSV: file, seconds, frame, count; with a guard also repaired and alarm (yes, no).

    A quote goes before what a sheet would compute.
    """
    guarded = any(row.look for film in films for row in film.counts)
    rows = [films_csv_row(film.film, row, guarded=guarded) for film in films for row in film.counts]
    return films_csv_head(guarded=guarded) + "".join(rows)


def films_csv_head(*, guarded: bool) -> str:
    """The first line of that CSV."""
    return csv_lines([["file", *_columns(guarded)]])


def films_csv_row(film: Path, row: FrameCount, *, guarded: bool) -> str:
    """A frame's line of that CSV."""
    return csv_lines([[one_line(str(film)), *_fields(row, guarded)]])


def json_line(film: Path, row: FrameCount) -> str:
    """A frame's line of JSON: file, seconds, frame and count; with a guard also repaired and alarm."""
    return json.dumps({"file": one_line(str(film)), **_json_fields(row)}, ensure_ascii=False) + "\n"


def film_csv(counts: Sequence[FrameCount]) -> str:
    """The counts of one film over time as CSV, without its name."""
    guarded = any(row.look for row in counts)
    return csv_lines([_columns(guarded), *(_fields(row, guarded) for row in counts)])


def _columns(guarded: bool) -> list[Field]:
    return ["seconds", "frame", "count", *(["repaired", "alarm"] if guarded else [])]


def _fields(row: FrameCount, guarded: bool) -> list[Field]:
    fields: list[Field] = [Number(f"{row.seconds:.3f}"), row.frame, Number(f"{row.count:.3f}")]
    if guarded and row.look:
        fields += [Number(f"{row.look.repaired:.3f}"), "yes" if row.look.alarm else "no"]
    return fields


def films_json(films: Sequence[FilmCounts]) -> str:
    """The counts as JSON: `{"films": [{"file", "frames": [{"seconds", "frame", "count"}], "problem"}]}`.

    With a guard each frame also has `repaired` and `alarm`.
    """
    found = [
        {
            "file": one_line(str(film.film)),
            "frames": [_json_fields(row) for row in film.counts],
            "problem": film.problem,
        }
        for film in films
    ]
    return json.dumps({"films": found}, indent=2, ensure_ascii=False)


def _json_fields(row: FrameCount) -> dict[str, Any]:
    fields: dict[str, Any] = {"seconds": round(row.seconds, 3), "frame": row.frame, "count": round(row.count, 3)}
    if row.look:
        fields |= {"repaired": round(row.look.repaired, 3), "alarm": row.look.alarm}
    return fields


def draw_curve(film: Path, counts: Sequence[FrameCount]) -> dict[str, bytes]:
    """The counts over time as a picture, by suffix: PNG and SVG; with a guard the twin's counts and the alarms, too."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    seconds = [row.seconds for row in counts]
    axes.plot(seconds, [row.count for row in counts], linewidth=1.2, label="counter")
    if looked := [(row.seconds, row.look.repaired) for row in counts if row.look]:
        axes.plot(*zip(*looked, strict=True), linewidth=1.0, linestyle="--", label="repaired")
        alarms = alarms_of(counts)
        at = ([row.seconds for row in alarms], [row.count for row in alarms])
        axes.scatter(*at, color="crimson", marker="v", zorder=3, label=f"alarm ({len(alarms)})")
        axes.legend(fontsize="small")
    axes.set(xlabel="seconds", ylabel="people", ylim=(0, None))
    axes.set_title(one_line(film.name)[:80], parse_math=False)
    spell_out(figure)
    axes.grid(alpha=0.3)
    drawn: dict[str, bytes] = {}
    for suffix in (".png", ".svg"):
        buffer = io.BytesIO()
        about = {"Date": None, "Creator": "countguard"} if suffix == ".svg" else SOFTWARE
        with rc_context({"svg.hashsalt": "countguard"}):  # the same ids each time
            figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=about)
        drawn[suffix] = buffer.getvalue()
    return drawn


def write_film(film: Path, counts: Sequence[FrameCount], folder: Path) -> list[Path]:
    """Writes NAME-counts.csv, .png and .svg into a folder, which is made where it is missing; returns the files.

    Raises:
        RunError: they cannot be written.
    """
    drawn = {".csv": film_csv(counts).encode(), **(draw_curve(film, counts) if counts else {})}
    files = {file: drawn[file.suffix] for file in _result_files(film, folder) if file.suffix in drawn}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            write_atomically(path, content)
    except OSError as error:
        raise RunError(
            f"{error.filename or folder}: cannot be written ({error.strerror}); give another --out"
        ) from error
    return list(files)


def _result_files(film: Path, folder: Path | None) -> list[Path]:
    """What is written of a film's counts; nothing without a folder."""
    return [folder / f"{film.stem}-counts{suffix}" for suffix in (".csv", ".png", ".svg")] if folder is not None else []


def _overlay_file(film: Path, folder: Path) -> Path:
    return folder / f"{film.stem}-density.mp4"


class _OverlayFilm:
    """A film that is written frame by frame; all frames get the size of the first one.

    Args:
        target: its file, which is begun with the first frame: without any, what is there stays.
        rate: frames a second.
        whole: ends the film and its file when it is closed.
    """

    def __init__(self, target: Path, rate: Fraction, whole: ExitStack) -> None:
        self._target = target
        self._rate = rate
        self._whole = whole
        self._container: Any = None
        self._stream: Any = None

    def add(self, picture: Image.Image) -> None:
        """Appends a frame."""
        import av

        if self._container is None:
            self._begin((picture.width // 2 * 2, picture.height // 2 * 2))
        size = (self._stream.width, self._stream.height)
        if picture.size != size:
            picture = picture.resize(size)
        frame: Any = av.VideoFrame
        for packet in self._stream.encode(frame.from_image(picture)):
            self._container.mux(packet)

    def _begin(self, size: tuple[int, int]) -> None:
        import av

        self._container = av.open(self._whole.enter_context(whole_file(self._target)), "w", format="mp4")
        self._whole.callback(self._close)
        self._container.metadata["comment"] = _DRAWN
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._stream = self._container.add_stream(codec, rate=self._rate)
        self._stream.pix_fmt = "yuv420p"
        self._stream.width, self._stream.height = size

    def _close(self) -> None:
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()


@contextmanager
def _overlay_film(target: Path | None, pace: Pace) -> Iterator[_OverlayFilm | None]:
    """A film that is whole or not there."""
    if target is None:
        yield None
        return
    rate = Fraction(1 / pace.seconds).limit_denominator(1000) if pace.seconds else Fraction(25)
    try:
        with ExitStack() as whole:
            yield _OverlayFilm(target, min(max(rate, Fraction(1)), Fraction(60)), whole)
    except OSError as error:
        raise RunError(f"{target}: the overlay cannot be written ({error.strerror}); give another folder") from error
