"""Measures against each numeric setting that the recipe varies."""

from countguard.reports.figures.curves import Curve, Panel, draw_curves, mean_curve
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.style import ATTACKED, Look, repaired_look
from countguard.runs.plan import Variant, variant_text
from countguard.runs.run import Run

_MEASURES = {"net_asr": "net success", "rho_acc_triggered": "right when triggered", "rho_acc": "right when clean"}


@figure("varied settings")
def draw(run: Run) -> list[Drawn]:
    """One figure for each varied number; the other varied settings stay at those that figures show."""
    return [drawn for name in run.varied if (drawn := _draw(run, name))]


def _draw(run: Run, name: str) -> Drawn | None:
    others = tuple(pair for pair in run.reference if pair[0] != name)
    variants = [variant for variant in run.variants if all(pair in variant for pair in others)]
    values = {variant: dict(variant)[name] for variant in variants}
    if len(variants) < 2 or not all(isinstance(value, int | float) for value in values.values()):
        return None
    rows = []
    for measure, label in _MEASURES.items():
        rows.append((label, [Panel(strategy, _curves(run, strategy, measure, values)) for strategy in run.strategies]))
    if not any(panel.curves for _, line in rows for panel in line):
        return None
    drawing = draw_curves(rows, name)
    ends = [
        f"{panel.title}, {curve.label}: {curve.y[0]:.2f} at {curve.x[0]:g} to {curve.y[-1]:.2f} at {curve.x[-1]:g}"
        for panel in rows[0][1]
        for curve in panel.curves
    ]
    alt = (
        f"Net success, and images counted right with and without the trigger, against {name}. "
        f"Net success: {'; '.join(ends)}."
    )
    rest = f" The other settings are {variant_text(others)}." if others else ""
    caption = f"What {name} changes: means over seeds, shaded from the smallest to the largest.{rest}"
    safe = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)[:60]
    return Drawn(f"varied_{safe}", f"Against {name}", drawing, alt, caption)


def _curves(run: Run, strategy: str, measure: str, values: dict[Variant, float]) -> list[Curve]:
    counters: list[tuple[str, Look, str]] = [("attacked", ATTACKED, "")]
    counters += [(f"repaired: {d}", repaired_look(d, run.defenses), d) for d in run.defenses]
    found = []
    for label, look, defense in counters:
        points = [
            (float(value), cell.card.metrics[measure].value)
            for variant, value in values.items()
            for cell in run.select(variant, strategy, defense)
            if measure in cell.card.metrics
        ]
        if points:
            found.append(mean_curve(label, look, points))
    return found
