"""All figures of a run, in the order of the report."""

from countguard.reports.figures import (  # noqa: F401  each enters itself into FIGURES
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
from countguard.reports.figures.figure import FIGURES
from countguard.runs.run import Run

__all__ = ["FIGURES", "all_figures"]

ORDER = (
    "net success",
    "framework",
    "how an image is poisoned",
    "distribution of the ratio",
    "density maps",
    "Grad-CAM",
    "estimate against truth",
    "error against density",
    "success against the trigger's strength",
    "varied settings",
)
"""Of this package's figures; those of plug-ins follow."""


def all_figures(run: Run) -> tuple[list[Drawn], list[str]]:
    """Every figure that this run has the data for, and a phrase for each that it has not: what is missing.

    To be called, and the figures saved, within `countguard.reports.figures.style.style`.
    """
    drawn, gaps = [], []
    for name in (*ORDER, *(name for name in FIGURES if name not in ORDER)):
        figures = FIGURES[name].draw(run)
        drawn += figures
        if not figures and FIGURES[name].needs:
            gaps.append(f"{name}: needs {FIGURES[name].needs}")
    return drawn, gaps
