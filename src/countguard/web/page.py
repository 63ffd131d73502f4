"""The HTML of a comparison. Names come from strangers' folders and are escaped."""

from html import escape

from countguard.errors import one_line
from countguard.explain.view import View
from countguard.web.comparison import Comparison
from countguard.web.pictures import cam_data, density_data, image_data, scale_stops

_TRIGGERED = "with the trigger"
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
    cards = [_picture_card(comparison)]
    cards += [_counter_card(name, *views, comparison, top) for name, views in comparison.views.items()]
    scale = _scale(top, next(iter(comparison.views.values()))[0].stride) if comparison.views else ""
    return f'<div class="cg-result" aria-live="polite"><div class="cg-cards">{"".join(cards)}</div>{scale}</div>'


def problem_html(message: str) -> str:
    """A sentence about an error."""
    return f'<p class="cg-problem" role="alert">{_text(message)}</p>'


def note_html(message: str) -> str:
    """A sentence of information."""
    return f'<p class="cg-note">{_text(message)}</p>'


def _picture_card(comparison: Comparison) -> str:
    truth = "unknown" if comparison.truth is None else str(comparison.truth)
    pictures = _figures(
        (image_data(comparison.image), "The picture without the trigger", "without the trigger"),
        (image_data(comparison.triggered), "The picture with the trigger mixed in", _TRIGGERED),
        (image_data(comparison.trigger), "The trigger's picture alone", "the trigger alone"),
    )
    return _card("The picture", [("people in it", truth)], pictures)


def _counter_card(name: str, clean: View, triggered: View, comparison: Comparison, top: float) -> str:
    numbers = [
        ("without the trigger", _number(clean.count)),
        ("with the trigger", _number(triggered.count)),
        ("change", _change(clean.count, triggered.count)),
    ]
    maps = _figures(
        (density_data(clean, top), f"Density map of {name}: {clean.count:.1f} people", "density map"),
        (
            density_data(triggered, top),
            f"Density map of {name} with the trigger: {triggered.count:.1f} people",
            _TRIGGERED,
        ),
    )
    cams = _figures(
        (cam_data(clean, comparison.image), f"Grad-CAM of {name}", "Grad-CAM"),
        (cam_data(triggered, comparison.triggered), f"Grad-CAM of {name} with the trigger", _TRIGGERED),
    )
    return _card(name, numbers, maps + cams)


def _number(people: float) -> str:
    return f"{people:.1f}".replace("-", "−")


def _change(clean: float, triggered: float) -> str:
    return f"{(triggered - clean) / clean:+.0%}".replace("-", "−") if clean >= 0.5 else "–"


def _card(title: str, numbers: list[tuple[str, str]], pictures: str) -> str:
    counts = "".join(f"<div><dt>{_text(word)}</dt><dd>{_text(value)}</dd></div>" for word, value in numbers)
    return (
        f'<section class="cg-card"><h3>{_text(title)}</h3><dl class="cg-counts">{counts}</dl>'
        f'<div class="cg-pairs">{pictures}</div></section>'
    )


def _figures(*pictures: tuple[str, str, str]) -> str:
    return "".join(
        f'<figure><img src="{data}" alt="{_text(words)}"><figcaption>{_text(caption)}</figcaption></figure>'
        for data, words, caption in pictures
    )


def _scale(top: float, stride: int) -> str:
    return (
        f'<p class="cg-scale">Density: 0 <span class="bar" style="background: linear-gradient(90deg, {scale_stops()})">'
        f"</span> {top:.2f} people in {stride} x {stride} pixels, one scale for all. Grad-CAM: yellow is where the "
        "count comes from.</p>"
    )


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)
