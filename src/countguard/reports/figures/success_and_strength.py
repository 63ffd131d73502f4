"""Success against the trigger's strength at test time."""

from countguard.reports.figures.curves import Curve, Panel, draw_curves, mean_curve
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.selection import shown_settings
from countguard.reports.figures.style import ATTACKED, CLEAN_COUNTER, Look, repaired_look
from countguard.reports.wording import counter_words
from countguard.runs.plan import CLEAN
from countguard.runs.run import FinishedCell, Run


@figure("success against the trigger's strength", needs="a sweep of the strength (evaluation.shares)")
def draw(run: Run) -> list[Drawn]:
    """One figure of all counters whose cards hold a sweep; nothing when none does."""
    successes, rights = [], []
    never_attacked = _curve("clean counter", CLEAN_COUNTER, run.select(run.reference, CLEAN), "rho_acc_triggered")
    for strategy in run.strategies:
        attacked = run.select(run.reference, strategy)
        counters = [("attacked", ATTACKED, attacked)] + [
            (counter_words(run, d), repaired_look(d, run.defenses), run.select(run.reference, strategy, d))
            for d in run.defenses
        ]
        success = [curve for label, look, cells in counters if (curve := _curve(label, look, cells, "rho_asr"))]
        false = _curve("clean counter", CLEAN_COUNTER, attacked, "false_asr")
        right = [curve for label, look, cells in counters if (curve := _curve(label, look, cells, "rho_acc_triggered"))]
        if success:
            successes.append(Panel(strategy, [*success, *([false] if false else [])]))
            rights.append(Panel(strategy, [*right, *([never_attacked] if never_attacked else [])]))
    if not successes:
        return []
    drawing = draw_curves([("fooled", successes), ("counted right", rights)], "trigger's strength at test time")
    ends = [
        f"{panel.title}, {curve.label}: {curve.y[0]:.2f} at {curve.x[0]:g} to {curve.y[-1]:.2f} at {curve.x[-1]:g}"
        for panel in successes
        for curve in panel.curves
    ]
    alt = f"Images fooled, and counted right, against the trigger's strength. Fooled: {'; '.join(ends)}."
    caption = (
        "The trigger's strength swept at test time: above, images fooled in the attack's direction, with the clean "
        "counter's rate on the same images; below, triggered images counted right. Marks stand at the strengths that "
        f"were measured.{shown_settings(run)}"
    )
    return [Drawn("success_and_share", "Success against the trigger's strength", drawing, alt, caption)]


def _curve(label: str, look: Look, cells: list[FinishedCell], rate: str) -> Curve | None:
    rows = [(row.share, getattr(row, rate)) for cell in cells for row in cell.card.by_share]
    points = [(share, value) for share, value in rows if value is not None]
    return mean_curve(label, look, points) if points else None
