"""What figures take out of a run."""

from collections.abc import Sequence

import numpy as np

from countguard.metrics.ratios import Floats
from countguard.runs.plan import CLEAN, variant_text
from countguard.runs.run import FinishedCell, Run


def ratios(cells: Sequence[FinishedCell], *, triggered: bool) -> Floats:
    """r = estimate / truth of all images with a head, the seeds one after another; estimates that are no number go."""
    parts = []
    for cell in cells:
        predictions = cell.predictions
        estimates = predictions.triggered if triggered else predictions.clean
        parts.append(estimates[predictions.has_ratio] / predictions.truths[predictions.has_ratio])
    joined = np.concatenate(parts) if parts else np.empty(0)
    return joined[np.isfinite(joined)]


def pictured_strategies(run: Run) -> list[str]:
    """The strategies that pictures show: minus and multiply as in the paper, or else one of each direction."""
    cells = {name: run.select(run.reference, name) for name in run.strategies}
    present = [name for name in run.strategies if cells[name] and cells[name][0].examples]
    chosen: list[str] = [name for name in ("minus", "multiply") if name in present]
    for direction in (-1, 1):
        if all(cells[name][0].direction != direction for name in chosen):
            chosen += [name for name in present if cells[name][0].direction == direction][:1]
    return chosen or present[:2]


def first_cell(run: Run, strategy: str, defense: str = "") -> FinishedCell | None:
    """A counter of the first seed that is finished, at the settings that figures show; None where there is none."""
    return next(iter(run.select(run.reference, strategy, defense)), None)


def clean_cell(run: Run) -> FinishedCell | None:
    """The counter that was never attacked."""
    return first_cell(run, CLEAN)


def shown_settings(run: Run) -> str:
    """A sentence for the captions of runs that vary settings or seeds; empty for others."""
    return f" Shown at {variant_text(run.reference)}." if run.reference else ""


def shown_defense(run: Run) -> str:
    """The repair of those figures that show one: the recipe's first; empty where it has none."""
    return run.defenses[0] if run.defenses else ""


def suffix(run: Run, defense: str) -> str:
    """What tells apart the files of figures that are drawn once for each repair; empty for the first."""
    safe = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in defense)[:40]
    place = run.defenses.index(defense) if defense in run.defenses else 0
    return f"-{place + 1}-{safe}" if place else ""
