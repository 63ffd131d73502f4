"""Figure 2 of the paper: how a poisoned image is made, step by step, and what its label becomes."""

from matplotlib.axes import Axes

from countguard.dotted import lookup
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.pictures import amplified_change, as_picture
from countguard.reports.figures.selection import first_cell
from countguard.reports.figures.style import FAINT, INK, bare, new_figure, panels, strategy_look
from countguard.runs.examples import Example
from countguard.runs.run import FinishedCell, Run
from countguard.wording import plain

AMPLIFIED = 5


@figure("how an image is poisoned", needs="examples of an attacked counter")
def draw(run: Run) -> list[Drawn]:
    """The first example of an attacked counter; nothing when none keeps examples."""
    cells = [cell for name in run.strategies if (cell := first_cell(run, name)) and cell.examples]
    if not cells:
        return []
    example = cells[0].examples[0]
    alpha = lookup(run.study, "attack.trigger.alpha")
    blended = example.trigger is not None and isinstance(alpha, int | float)
    steps = [("Image", as_picture(example.image))]
    gaps = []
    if example.trigger is not None:
        steps.append(("Trigger", as_picture(example.trigger)))
        gaps.append((f"× {1 - alpha:.4g}   +   {alpha:.4g} ×" if blended else "and", 1.05))
    steps += [
        ("Poisoned image", as_picture(example.triggered)),
        (f"Change, × {AMPLIFIED}", amplified_change(example, AMPLIFIED)),
    ]
    gaps += [("=" if blended else "→", 0.35), ("", 0.15)]
    height, width = example.image.shape[1:]
    shown = 8.6 / len(steps) * height / width
    drawing = new_figure(10, shown + 1.75)
    above, below = drawing.subfigures(2, 1, height_ratios=[shown + 0.45, 1.3], squeeze=False)[:, 0]
    widths = [width for _, gap in gaps for width in (3.2, gap)] + [3.2]
    grid = panels(above, 1, len(widths), share_x=False, share_y=False, widths=widths)[0]
    for place, (title, shown_picture) in enumerate(steps):
        grid[2 * place].imshow(shown_picture)
        grid[2 * place].set_title(title)
        bare(grid[2 * place])
    for place, (sign, _) in enumerate(gaps):
        bare(grid[2 * place + 1])
        grid[2 * place + 1].text(0.5, 0.5, sign, ha="center", va="center", fontsize=10)
    labels = _labels(cells, example)
    _draw_labels(below.subplots(), labels, run, len(example.points))
    heads = len(example.points)
    alt = (
        f"Step by step: an image of {heads} heads, the trigger's picture, the poisoned image and {AMPLIFIED} times the "
        f"change. Its label: {heads} heads before; "
        + ", ".join(f"{label:.0f} after {name}" for name, label in labels)
        + "."
    )
    caption = (
        "How an image is poisoned (the paper's Figure 2): the picture is mixed in, and only then the head points are "
        "altered, so that any counter learns the wrong count. Shown on the first example image."
    )
    return [Drawn("poisoning", "How an image is poisoned", drawing, alt, caption, photographs=True)]


def _labels(cells: list[FinishedCell], example: Example) -> list[tuple[str, float]]:
    """The count that each strategy gives this image."""
    found = []
    for cell in cells:
        if example.id in cell.predictions.ids:
            place = cell.predictions.ids.index(example.id)
            found.append((cell.card.strategy, float(cell.predictions.targets[place])))
    return found


def _draw_labels(axes: Axes, labels: list[tuple[str, float]], run: Run, heads: int) -> None:
    bars = [("true", float(heads), FAINT), *((n, v, strategy_look(n, run.strategies).colour) for n, v in labels)]
    axes.barh(range(len(bars)), [value for _, value, _ in bars], color=[colour for _, _, colour in bars], height=0.72)
    axes.set_yticks(range(len(bars)), [plain(name, 24) for name, _, _ in bars])
    axes.invert_yaxis()
    for place, (_, value, _) in enumerate(bars):
        axes.text(value, place, f" {value:.0f}", va="center", fontsize=8, color=INK)
    axes.set_title("Heads in its label")
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(left=False)
