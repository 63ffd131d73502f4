"""All figures of a run, in the order of the report."""

from collections.abc import Callable

from countguard.reports.figures import (
    density_maps,
    errors,
    estimates,
    framework,
    grad_cam,
    net_success,
    poisoning,
    ratio_density,
    success_and_strength,
    varied,
)
from countguard.reports.figures.drawn import Drawn
from countguard.runs.run import Run

_DRAW: dict[str, tuple[Callable[[Run], list[Drawn]], str]] = {
    "net success": (net_success.draw, "the clean counter and an attacked one"),
    "framework": (framework.draw, ""),
    "how an image is poisoned": (poisoning.draw, "examples of an attacked counter"),
    "distribution of the ratio": (ratio_density.draw, "a finished counter"),
    "density maps": (density_maps.draw, "examples of an attacked counter"),
    "Grad-CAM": (grad_cam.draw, "examples of an attacked counter"),
    "estimate against truth": (estimates.draw, "a finished counter"),
    "error against density": (errors.draw, "a finished counter"),
    "success against the trigger's share": (success_and_strength.draw, "a sweep of the share (evaluation.shares)"),
    "varied settings": (varied.draw, ""),
}


def all_figures(run: Run) -> tuple[list[Drawn], list[str]]:
    """Every figure that this run has the data for, and a phrase for each that it has not: what is missing.

    To be called, and the figures saved, within `countguard.reports.figures.style.style`.
    """
    drawn, gaps = [], []
    for name, (draw, needs) in _DRAW.items():
        figures = draw(run)
        drawn += figures
        if not figures and needs:
            gaps.append(f"{name}: needs {needs}")
    return drawn, gaps
