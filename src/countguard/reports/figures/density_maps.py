"""Figure 4 of the paper: where the attack adds or removes people, and whether the repair brings them back."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.pictures import as_picture, draw_box, show_map
from countguard.reports.figures.selection import shown_settings, suffix
from countguard.reports.figures.stories import Story, stories
from countguard.reports.figures.style import DENSITY_COLOURS, bare, new_figure, panels
from countguard.reports.wording import defended_by, defended_stage
from countguard.runs.run import Run
from countguard.wording import join, plain


@figure("density maps", needs="examples of an attacked counter")
def draw(run: Run) -> list[Drawn]:
    """One figure for each repair; nothing when no attacked counter keeps examples."""
    drawn = []
    for defense in run.defenses or ("",):
        shown = stories(run, defense)
        if shown:
            drawn.append(_draw(run, defense, shown))
    return drawn


def _draw(run: Run, defense: str, shown: list[Story]) -> Drawn:
    maps = [_maps(story, defended_stage(run, defense)) for story in shown]
    top = max(float(np.percentile(values, 99.5)) for row in maps for _, values in row if values is not None)
    height, width = shown[0].attacked.image.shape[1:]
    columns = 1 + len(maps[0])
    drawing = new_figure(11, 0.75 + len(shown) * (0.35 + 10.2 / columns * height / width))
    grid = panels(drawing, len(shown), columns, share_x=False, share_y=False)
    for story, row, line in zip(shown, maps, grid, strict=True):
        line[0].imshow(as_picture(story.attacked.triggered))
        line[0].set_title(f"{plain(story.strategy, 16)}: with trigger")
        bare(line[0])
        for axes, (label, values) in zip(line[1:], row, strict=True):
            _draw_map(axes, label, values, story, top)
    bar = drawing.colorbar(
        grid[0][1].images[0], ax=[axes for line in grid for axes in line], extend="max", pad=0.01, aspect=30
    )
    bar.set_label("people per cell")
    bar.outline.set_visible(False)
    described = []
    for story, row in zip(shown, maps, strict=True):
        counts = ", ".join(f"{label.lower()} {values.sum():.0f}" for label, values in row if values is not None)
        described.append(
            f"{story.strategy}: {counts}; in the box the attack changes the count by {story.window.change:+.0f}"
        )
    alt = f"Density maps of one triggered image. Counts: {'. '.join(described)}."
    caption = (
        "The first example image with the trigger, its true density and what the counters make of it, for "
        f"{join([story.strategy for story in shown])} (the paper's Figure 4). One colour scale for all maps; numbers "
        "are sums of the maps. The box is the window in which the attack changes the clean counter's map most, found "
        f"automatically.{defended_by(run, defense)}{shown_settings(run)}"
    )
    return Drawn("density_maps" + suffix(run, defense), "Density maps", drawing, alt, caption, photographs=True)


def _maps(story: Story, stage: str) -> list[tuple[str, NDArray[np.float32] | None]]:
    return [
        ("True", story.attacked.true_map),
        ("Clean counter", story.clean.map_triggered if story.clean else None),
        ("Attacked", story.attacked.map_triggered),
        (stage.capitalize(), story.repaired.map_triggered if story.repaired else None),
    ]


def _draw_map(axes: Axes, label: str, values: NDArray[np.float32] | None, story: Story, top: float) -> None:
    if values is None:
        bare(axes)
        axes.set_title(f"{label}: not there")
        return
    height, width = story.attacked.image.shape[1:]
    show_map(axes, values, height, width, top, DENSITY_COLOURS)
    draw_box(axes, story.window, values.shape[0], values.shape[1], height, width)
    axes.set_title(f"{label}: {values.sum():.0f}")
