"""The tab that counts pictures and films, with the alarm of a guard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from countguard.data.film import Pace, pace_from
from countguard.data.images import IMAGE_SUFFIXES, MAX_PIXELS
from countguard.data.picture_folders import FILM_SUFFIXES, is_film
from countguard.errors import InputError
from countguard.models import load_counter
from countguard.models.counter import Counter
from countguard.models.inference import for_inference
from countguard.operate.count import PictureCount, Size, count_pictures
from countguard.operate.count_film import FilmCounts, FrameCount, count_film, films_csv, write_film
from countguard.operate.count_formats import counts_csv
from countguard.operate.guarding import guard_of
from countguard.scan.guard import Guard, guard_file
from countguard.web.jobs import Say, Step
from countguard.web.long_work import Answer, LongWork
from countguard.web.page import counts_html, note_html
from countguard.web.uploads import named_alone, upload, without_folders, work_folder
from countguard.writing import write_atomically

NO_GUARD = "no guard"
MOST_FILES = 200
"""Files that are counted at once."""


@dataclass(slots=True)
class _Counted:
    pictures: list[PictureCount] = field(default_factory=list)
    films: list[FilmCounts] = field(default_factory=list)
    shown: list[tuple[str, str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


class CountTab:
    """Counts what a visitor drops.

    Args:
        counters: files by the names that the page offers.
    """

    def __init__(self, counters: Mapping[str, Path]) -> None:
        self._counters = counters
        self._work = LongWork(outputs=2)

    def build(self) -> None:
        """Adds the controls to the page that is being built."""
        names = list(self._counters)
        guards = [NO_GUARD, *(name for name, file in self._counters.items() if guard_file(file).exists())]
        with gr.Row(elem_classes="cg-row"):
            with gr.Column(scale=1, min_width=300):
                dropped = upload("Pictures, or a film", [*IMAGE_SUFFIXES, *FILM_SUFFIXES], several=True)
                counter = gr.Dropdown(names, value=names[0] if names else None, label="Count with")
                own = upload("A counter of your own to count with", [".safetensors", ".onnx"])
                guard = gr.Dropdown(guards, value=NO_GUARD, label="Guard: the repaired counter")
                every = gr.Textbox("1s", label="Of a film: time between counted frames")
                start = gr.Button("Count", variant="primary")
                cancel = gr.Button("Cancel")
            with gr.Column(scale=3, min_width=320):
                first = note_html("Drop pictures or a film. Each map can be enlarged and downloaded.")
                result = gr.HTML(first, label="Counts", padding=False)
                maps = gr.Gallery(label="Maps", visible=False, columns=3, object_fit="contain", height="auto")
                files = gr.File(label="To download", visible=False, interactive=False, file_count="multiple")
        inputs = [dropped, counter, own, guard, every]
        self._work.connect(start, cancel, self.answer, inputs, [result, maps, files])

    def answer(
        self, dropped: list[str] | None, counter: str | None, own: str | None, guard: str, every: str,
        request: gr.Request,
    ) -> Iterator[Answer]:  # fmt: skip
        """Progress, then the counts, or one sentence about an error.

        Args:
            dropped: paths of pictures and films.
            counter: name of an offered counter.
            own: path of one that takes its place.
            guard: name of the repaired counter, or `NO_GUARD`.
            every: how far the counted frames of a film are apart.
            request: tells whose work this is.
        """
        if not dropped:
            yield self._work.refusal("Drop pictures or a film first.")
            return
        if not own and not counter:
            yield self._work.refusal("No counter is chosen: choose one, or drop a counter's file.")
            return
        suspect = Path(own) if own else self._counters[str(counter)]
        twin = None if guard == NO_GUARD else self._counters[guard]
        paths = [Path(one) for one in dropped]

        def work(say: Say) -> Answer:
            with named_alone(suspect, *paths), work_folder("count") as folder:
                done = _count(paths, suspect, twin, every, folder, say)
            shown = gr.update(value=done.shown, visible=bool(done.shown))
            return counts_html(done.pictures, done.films), shown, gr.update(value=done.files, visible=True)

        yield from self._work.answers(request, work)


def _count(dropped: Sequence[Path], suspect: Path, twin: Path | None, every: str, work: Path, say: Say) -> _Counted:
    if len(dropped) > MOST_FILES:
        raise InputError(f"{len(dropped)} files; at most {MOST_FILES} are counted at once here")
    pace = pace_from(every)
    counter = for_inference(load_counter(suspect))
    guard = guard_of(counter, suspect, twin, [])
    size, done = Size(max_pixels=MAX_PIXELS), _Counted()
    for number, path in enumerate(dropped):
        at = number / len(dropped)
        folder = work / f"{number}"  # one each: two of them may have one name
        folder.mkdir()
        if is_film(path):
            _count_film(counter, path, pace, folder, guard, done, say)
            continue
        say(Step(f"Counting {path.name}: {number + 1} of {len(dropped)}", at))
        (row,) = count_pictures(counter, [path], size=size, overlays=folder, guard=guard)
        done.pictures.append(_renamed(row))
        done.shown += [(str(file), _caption(row)) for file in folder.glob("*.png")]
    tables: dict[str, str] = {}
    if done.pictures:
        tables["counts.csv"] = counts_csv(done.pictures)
    if done.films:
        tables["counts-of-films.csv" if done.pictures else "counts.csv"] = films_csv(done.films)
    for name, table in tables.items():
        write_atomically(work / name, table)
    done.files = [*(str(work / name) for name in tables), *done.files]
    return done


def _count_film(
    counter: Counter, film: Path, pace: Pace, work: Path, guard: Guard | None, done: _Counted, say: Say
) -> None:
    rows: list[FrameCount] = []
    problems: list[str] = []
    over = work / f"{film.stem}-density.mp4"
    for row in count_film(counter, film, pace, overlay_to=over, guard=guard, damaged=problems.append):
        rows.append(row)
        say(Step(f"Counting {film.name}: {row.seconds:.0f} s"))
    done.films.append(FilmCounts(Path(film.name), rows, without_folders(" ".join(problems), [film])))
    if not rows:
        return
    written = write_film(film, rows, work)
    done.shown += [(str(file), f"{film.name}: counts over time") for file in written if file.suffix == ".png"]
    done.files += [str(over), *(str(file) for file in written)]


def _renamed(row: PictureCount) -> PictureCount:
    """The row with the picture's name alone: its folder is the server's affair."""
    return PictureCount(Path(row.file.name), row.count, without_folders(row.problem, [row.file]), row.look)


def _caption(row: PictureCount) -> str:
    return f"{row.file.name}: {row.count:.1f}" if row.count is not None else row.file.name
