"""The HTML of what the page answers. Names come from strangers' folders and are escaped."""

from collections.abc import Sequence
from html import escape

from countguard.errors import one_line
from countguard.explain.view import View
from countguard.operate.count import PictureCount
from countguard.operate.count_film import FilmCounts, alarms_of
from countguard.runs.plan import CLEAN
from countguard.web.comparison import Comparison
from countguard.web.pictures import cam_data, density_data, image_data, scale_stops

_TRIGGERED = "with the trigger"
_NEVER_ATTACKED = (
    "Nobody attacked this counter. Its count changes all the same, since a picture mixed in changes what every counter "
    "sees. Only what another counter does beyond this is a backdoor."
)
CSS = """
.cg-result { color: var(--body-text-color); }
.cg-cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.cg-card { border: 1px solid var(--border-color-primary); border-radius: .6rem; padding: .8rem 1rem 1rem;
  background: var(--background-fill-primary); }
.cg-card h3 { margin: 0 0 .4rem; font-size: 1rem; overflow-wrap: anywhere; }
.cg-counts { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: 0 0 .5rem; align-items: baseline; }
.cg-counts div { display: flex; flex-direction: column-reverse; }
.cg-counts dt { font-size: .8rem; opacity: .8; }
.cg-counts dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.cg-pairs { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
.cg-pairs figure { margin: 0; }
.cg-pairs img { width: 100%; display: block; border-radius: .25rem; margin: 0; image-rendering: pixelated; }
.cg-pairs figcaption { font-size: .75rem; opacity: .8; margin-top: .15rem; }
.cg-pairs.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 14rem), 1fr)); }
.cg-pairs.wide img { image-rendering: auto; }
.cg-result > .cg-card { margin-bottom: 1rem; }
.cg-bar { display: block; width: 100%; height: .8rem; margin-top: .4rem; }
.cg-scroll { overflow-x: auto; }
.cg-table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.cg-table th, .cg-table td { text-align: left; padding: .25rem .9rem .25rem 0; overflow-wrap: anywhere; }
.cg-table .number { text-align: right; }
.cg-alarm { color: #b3261e; font-weight: 700; }
.dark .cg-alarm { color: #ff8a80; }
@media (max-width: 700px) {
  .cg-row { flex-direction: column-reverse !important; }
  .tab-container button { padding: 0 .4rem !important; font-size: .85rem !important; }
}
.cg-scale { display: flex; align-items: center; gap: .5rem; font-size: .8rem; margin: .9rem 0 0; flex-wrap: wrap; }
.cg-scale span.bar { width: 9rem; height: .7rem; border-radius: .2rem; }
.cg-upload .icon-wrap { display: none; }
.cg-note { border-left: 4px solid #56B4E9; padding: .5rem .8rem; margin: 0 0 1rem; }
.cg-problem { border-left: 4px solid #D55E00; padding: .5rem .8rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
"""


def comparison_html(comparison: Comparison) -> str:
    """The picture and one card for each counter, side by side if there is room."""
    maps = [view.density for pair in comparison.views.values() for view in pair]
    top = max((float(density.max()) for density in maps), default=0.0)
    notes = [note_html(comparison.note)] if comparison.note else []
    if not comparison.views:
        notes.append(note_html("No counter is chosen: choose one, or drop a counter's file, to see what it counts."))
    cards = [_picture_card(comparison)]
    cards += [_counter_card(name, *views, comparison, top) for name, views in comparison.views.items()]
    scale = _scale(top, next(iter(comparison.views.values()))[0].stride) if comparison.views else ""
    content = f'{"".join(notes)}<div class="cg-cards">{"".join(cards)}</div>{scale}'
    return f'<div class="cg-result" aria-live="polite">{content}</div>'


def problem_html(message: str) -> str:
    """A sentence about an error."""
    return f'<p class="cg-problem" role="alert">{_text(message)}</p>'


def note_html(message: str) -> str:
    """A sentence of information."""
    return f'<p class="cg-note">{_text(message)}</p>'


def progress_html(words: str, done: float | None) -> str:
    """What is being done, with a bar.

    Args:
        words: what is being done.
        done: 0 to 1; None where that is not known.
    """
    value = "" if done is None else f' value="{done:.3f}"'
    bar = f'<progress class="cg-bar" max="1"{value} aria-label="{_text(words)}"></progress>'
    return f'<div class="cg-note" role="status">{_text(words)}{bar}</div>'


def counts_html(pictures: Sequence[PictureCount], films: Sequence[FilmCounts]) -> str:
    """The counts of pictures and films, with the alarms of a guard where there is one."""
    of_pictures = [row.look for row in pictures]
    looks = [look for look in (*of_pictures, *(row.look for film in films for row in film.counts)) if look is not None]
    guarded = bool(looks)
    alarms = sum(look.alarm for look in looks)
    first = ""
    if guarded:
        first = note_html(f"{alarms} of {len(looks)} pictures raise an alarm: there the repaired counter disagrees.")
    headings = ["file", "people", *(["repaired", "alarm"] if guarded else [])]
    rows = [_picture_row(row, guarded) for row in pictures]
    tables = [table_html(headings, rows)] if rows else []
    if films:
        headings = ["film", "frames", "fewest", "mean", "most", *(["alarms", "first alarm"] if guarded else [])]
        tables.append(table_html(headings, [_film_row(film, guarded) for film in films]))
        cut = [film for film in films if film.counts and film.problem]
        tables += [note_html(f"Not counted to its end: {film.problem}") for film in cut]
    return f'<div class="cg-result" aria-live="polite">{first}{"".join(tables)}</div>'


def _picture_row(row: PictureCount, guarded: bool) -> list[str]:
    if row.count is None:
        return [row.file.name, f"not counted: {row.problem}"]
    looked = [_number(row.look.repaired), "ALARM" if row.look.alarm else "no"] if guarded and row.look else []
    return [row.file.name, _number(row.count), *looked]


def _film_row(film: FilmCounts, guarded: bool) -> list[str]:
    counts = [row.count for row in film.counts]
    if not counts:
        return [film.film.name, f"not counted: {film.problem}" if film.problem else "0"]
    numbers = [_number(value) for value in (min(counts), sum(counts) / len(counts), max(counts))]
    alarms = alarms_of(film.counts)
    looked = [f"{len(alarms)}", f"{alarms[0].seconds:.1f} s" if alarms else ""] if guarded else []
    return [film.film.name, f"{len(counts)}", *numbers, *looked]


def table_html(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its first column is text, the others are numbers."""
    head = "".join(f'<th scope="col">{_text(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(_field(text, place) for place, text in enumerate(row))}</tr>" for row in rows)
    table = f'<table class="cg-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="cg-scroll">{table}</div>'


def _field(text: str, place: int) -> str:
    kind = ' class="cg-alarm"' if text == "ALARM" and place else ' class="number"' if place else ""
    return f"<td{kind}>{_text(text)}</td>"


def _picture_card(comparison: Comparison) -> str:
    truth = "unknown" if comparison.truth is None else str(comparison.truth)
    pictures = figures_html(
        [
            (image_data(comparison.image), "The picture without the trigger", "without the trigger"),
            (image_data(comparison.triggered), "The picture with the trigger mixed in", _TRIGGERED),
            (image_data(comparison.trigger), "The trigger's picture alone", "the trigger alone"),
        ]
    )
    return card_html("The picture", [("people in it", truth)], pictures)


def _counter_card(name: str, clean: View, triggered: View, comparison: Comparison, top: float) -> str:
    numbers = [
        ("without the trigger", _number(clean.count)),
        ("with the trigger", _number(triggered.count)),
        ("change", _change(clean.count, triggered.count)),
    ]
    with_trigger = f"Density map of {name} with the trigger: {triggered.count:.1f} people"
    maps = figures_html(
        [
            (density_data(clean, top), f"Density map of {name}: {clean.count:.1f} people", "density map"),
            (density_data(triggered, top), with_trigger, _TRIGGERED),
            (cam_data(clean, comparison.image), f"Grad-CAM of {name}", "Grad-CAM"),
            (cam_data(triggered, comparison.triggered), f"Grad-CAM of {name} with the trigger", _TRIGGERED),
        ]
    )
    return card_html(name, numbers, (note_html(_NEVER_ATTACKED) if name.startswith(f"{CLEAN} ") else "") + maps)


def _number(people: float) -> str:
    return f"{people:.1f}".replace("-", "−")


def _change(clean: float, triggered: float) -> str:
    return f"{(triggered - clean) / clean:+.0%}".replace("-", "−") if clean >= 0.5 else "–"


def card_html(title: str, numbers: Sequence[tuple[str, str]], content: str) -> str:
    """A titled card.

    Args:
        title: in words.
        numbers: each with what it is.
        content: HTML below them.
    """
    counts = "".join(f"<div><dt>{_text(word)}</dt><dd>{_text(value)}</dd></div>" for word, value in numbers)
    return f'<section class="cg-card"><h3>{_text(title)}</h3><dl class="cg-counts">{counts}</dl>{content}</section>'


def figures_html(pictures: Sequence[tuple[str, str, str]], *, wide: bool = False) -> str:
    """Pictures with captions, two beside each other.

    Args:
        pictures: source, what it shows, caption.
        wide: as many beside each other as there is room for, smoothly enlarged.
    """
    figures = "".join(
        f'<figure><img src="{source}" alt="{_text(words)}"><figcaption>{_text(caption)}</figcaption></figure>'
        for source, words, caption in pictures
    )
    return f'<div class="cg-pairs{" wide" if wide else ""}">{figures}</div>'


def _scale(top: float, stride: int) -> str:
    return (
        f'<p class="cg-scale">Density: 0 <span class="bar" style="background: linear-gradient(90deg, {scale_stops()})">'
        f"</span> {top:.2f} people in {stride} x {stride} pixels, one scale for all. Grad-CAM: yellow is where the "
        "count comes from.</p>"
    )


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)
