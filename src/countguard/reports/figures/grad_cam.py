"""Figure 5 of the paper: what the attacked and the repaired counter look at, on clean and on triggered images."""

from matplotlib.axes import Axes

from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.pictures import as_picture, draw_box, grey
from countguard.reports.figures.selection import shown_defense, shown_settings
from countguard.reports.figures.stories import Story, stories
from countguard.reports.figures.style import DENSITY_COLOURS, bare, new_figure, panels
from countguard.reports.wording import defended_by, defended_stage
from countguard.runs.examples import Example
from countguard.runs.run import Run
from countguard.wording import join, plain


@figure("Grad-CAM", needs="examples of an attacked counter")
def draw(run: Run) -> list[Drawn]:
    """With the first repair; nothing when no attacked counter keeps examples."""
    shown = stories(run, shown_defense(run))
    return [_draw(run, shown_defense(run), shown)] if shown else []


def _draw(run: Run, defense: str, shown: list[Story]) -> Drawn:
    height, width = shown[0].attacked.image.shape[1:]
    drawing = new_figure(11, 0.4 + 2 * (0.3 + 10.6 / (3 * len(shown)) * height / width))
    stage = defended_stage(run, defense)
    grid = panels(drawing, 2, 3 * len(shown), share_x=False, share_y=False)
    for place, story in enumerate(shown):
        for line, triggered in zip(grid, (False, True), strict=True):
            image, attacked, repaired = line[3 * place : 3 * place + 3]
            bare(image)
            image.imshow(as_picture(story.attacked.triggered if triggered else story.attacked.image))
            image.set_title(f"{plain(story.strategy, 12)}: {'triggered' if triggered else 'clean'}")
            _draw_cam(attacked, "attacked", story.attacked, story, triggered=triggered)
            _draw_cam(repaired, stage, story.repaired, story, triggered=triggered)
    names = join([story.strategy for story in shown])
    alt = (
        f"Grad-CAM of the attacked and the {stage} counter over one image, clean above and triggered below, for "
        f"{names}, with a box round the window in which the attack changes the density most."
    )
    caption = (
        f"Grad-CAM for {names} (the paper's Figure 5), each map scaled to its own maximum: bright is where the "
        f"evidence for people lies. Box as in the density maps. The table of Grad-CAM's shares says how much of it "
        f"lies on the trigger's own lines.{defended_by(run, defense)}{shown_settings(run)}"
    )
    return Drawn("grad_cam", "What the counters look at", drawing, alt, caption, photographs=True)


def _draw_cam(axes: Axes, label: str, example: Example | None, story: Story, *, triggered: bool) -> None:
    bare(axes)
    if example is None:
        axes.set_title(f"{label}: not there")
        return
    image, cam = (example.triggered, example.cam_triggered) if triggered else (example.image, example.cam_clean)
    axes.imshow(grey(image), cmap="gray", vmin=0, vmax=1)
    peak = float(cam.max())
    axes.imshow(cam, cmap=DENSITY_COLOURS, vmin=0, vmax=peak if peak > 0 else 1, alpha=0.65)
    draw_box(axes, story.window, *example.map_triggered.shape, *image.shape[1:])
    axes.set_title(label)
