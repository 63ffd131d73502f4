"""Measures against each setting that the recipe varies: numbers along an axis, other values side by side."""

import json
from collections.abc import Sequence

from countguard.reports.figures.curves import Curve, Panel, draw_curves, interval_curve
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.style import ATTACKED, Look, repaired_look
from countguard.reports.wording import counter_words
from countguard.runs.plan import Variant, variant_text
from countguard.runs.run import Run
from countguard.wording import plain

_MEASURES = {"net_asr": "net success", "rho_acc_triggered": "right when triggered", "rho_acc": "right when clean"}


@figure("varied settings")
def draw(run: Run) -> list[Drawn]:
    """One figure for each varied setting; the other varied settings stay at those that figures show."""
    return [drawn for name in run.varied if (drawn := _draw(run, name))]


def _draw(run: Run, name: str) -> Drawn | None:
    others = tuple(pair for pair in run.reference if pair[0] != name)
    variants = [variant for variant in run.variants if all(pair in variant for pair in others)]
    if len(variants) < 2:
        return None
    values = [dict(variant)[name] for variant in variants]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places = {float(value) if numeric else float(number): value for number, value in enumerate(values, start=1)}
    at = list(zip(variants, places, strict=True))
    rows = []
    for measure, label in _MEASURES.items():
        rows.append((label, [Panel(strategy, _curves(run, strategy, measure, at)) for strategy in run.strategies]))
    if not any(panel.curves for _, line in rows for panel in line):
        return None
    words = {place: f"{place:g}" if numeric else _words(value) for place, value in places.items()}
    drawing = draw_curves(rows, name, None if numeric else words)
    ends = [
        f"{panel.title}, {curve.label}: {curve.y[0]:.2f} at {words[curve.x[0]]} to {curve.y[-1]:.2f} at "
        f"{words[curve.x[-1]]}"
        for panel in rows[0][1]
        for curve in panel.curves
    ]
    alt = (
        f"Net success, and images counted right with and without the trigger, against {name}. "
        f"Net success: {'; '.join(ends)}."
    )
    rest = f" The other settings are {variant_text(others)}." if others else ""
    spread = "shaded" if numeric else "with a line"
    if len(run.seeds) > 1:
        caption = f"What {name} changes: means over seeds, {spread} from the smallest to the largest.{rest}"
    else:
        caption = f"What {name} changes, {spread}: 95 % intervals over images.{rest}"
    if not numeric:
        caption += f" From left to right: {'; '.join(words.values())}."
    safe = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)[:60]
    return Drawn(f"varied_{safe}", f"Against {name}", drawing, alt, caption)


def _words(value: object) -> str:
    """A value that is no number, as a recipe writes it."""
    return plain(value if isinstance(value, str) else json.dumps(value), 60)


def _curves(run: Run, strategy: str, measure: str, at: Sequence[tuple[Variant, float]]) -> list[Curve]:
    counters: list[tuple[str, Look, str]] = [("attacked", ATTACKED, "")]
    counters += [(counter_words(run, d), repaired_look(d, run.defenses), d) for d in run.defenses]
    found = []
    for label, look, defense in counters:
        points = [
            (place, cell.card.metrics[measure])
            for variant, place in at
            for cell in run.select(variant, strategy, defense)
            if measure in cell.card.metrics
        ]
        if points:
            found.append(interval_curve(label, look, points))
    return found
