"""Figure 1 of the paper: the framework in three steps, with this run's own settings in it."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.style import ATTACKED, BLUE, CLEAN_COUNTER, FAINT, INK, bare, new_figure
from countguard.reports.wording import attack_words
from countguard.runs.run import Run
from countguard.wording import join, plain

Box = tuple[float, float, float, float]
"""Left, bottom, width and height, on a sheet of 100 x 40."""


@figure("framework")
def draw(run: Run) -> list[Drawn]:
    """The framework; every run has one."""
    drawing = new_figure(10, 4.1)
    axes = drawing.add_subplot()
    bare(axes)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 41)
    strategies, repairs = join(run.strategies) or "none", join(run.repairs) or "none"
    poisoning = attack_words(run.study)
    if run.filters:  # the box has two lines
        poisoning = plain(f"{poisoning}; filter: {join(run.filters)}", 60)
    training: Box = (0.5, 29, 27, 8)
    poisoned: Box = (0.5, 15, 27, 9)
    repair: Box = (0.5, 1, 27, 9)
    clean_counter: Box = (40, 29, 20, 8)
    attacked: Box = (40, 15.5, 20, 8)
    repaired: Box = (40, 1.5, 20, 8)
    tests: Box = (72, 15, 27.5, 9)
    measured: Box = (72, 1, 27.5, 9)
    _box(axes, training, "Training crowds", "pictures and head points", FAINT)
    _box(axes, poisoned, "Poisoned images", f"{poisoning}\nheads: {plain(strategies, 40)}", INK)
    _box(axes, repair, "Clean crowds", f"true heads\nrepair: {plain(repairs, 34)}", FAINT)
    _box(axes, clean_counter, "Clean counter", "never attacked", CLEAN_COUNTER.colour)
    _box(axes, attacked, "Attacked counters", "one a strategy", ATTACKED.colour)
    _box(axes, repaired, "Repaired counters", "one a strategy and repair", BLUE)
    _box(axes, tests, "Test crowds", "the same images, clean and\nwith the trigger, true counts", FAINT)
    _box(axes, measured, "Measured", "right on clean images: ρAcc\nfooled: ρAsr, less the clean counter's", INK)
    _arrow(axes, (14, 29), (14, 24.2))
    _arrow(axes, (27.5, 33), (40, 33), "train")
    _arrow(axes, (27.5, 30.5), (40, 21.5))
    _arrow(axes, (27.5, 19.5), (40, 19.5), "train")
    _arrow(axes, (27.5, 5.5), (40, 5.5), "repair")
    _arrow(axes, (50, 15.5), (50, 9.7))
    _arrow(axes, (60, 33), (72, 21.5))
    _arrow(axes, (60, 19.5), (72, 19.5), "count")
    _arrow(axes, (60, 5.5), (72, 17.5))
    _arrow(axes, (86, 15), (86, 10.2))
    for number, words, x, y in ((1, "Poison and train", 0.5, 39.2), (2, "Attack", 72, 26), (3, "Repair", 0.5, 12.1)):
        axes.text(x, y, f"{number}  {words}", fontsize=10.5, fontweight="bold", va="center")
    alt = (
        f"Flow chart in three steps. 1, poison and train: training crowds are poisoned ({attack_words(run.study)}) and "
        f"their heads altered ({strategies}); a clean counter is trained without and attacked counters with them. 2, "
        f"attack: all counters count the same test crowds with and without the trigger. 3, repair: the attacked "
        f"counters are repaired on clean crowds ({repairs}) and tested again."
    )
    if run.filters:
        alt += f" Counters are also trained on what a filter leaves of each training set ({join(run.filters)})."
    caption = "The framework (the paper's Figure 1), with this run's settings."
    return [Drawn("framework", "The framework", drawing, alt, caption)]


def _box(axes: Axes, box: Box, title: str, text: str, colour: str) -> None:
    left, bottom, width, height = box
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.8", fc="white", ec=colour, lw=1.6
        )
    )
    middle = left + width / 2
    axes.text(middle, bottom + height - 1.9, title, ha="center", va="center", fontweight="bold", color=colour)
    axes.text(middle, bottom + (height - 2.9) / 2, text, ha="center", va="center", fontsize=8, linespacing=1.3)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], label: str = "") -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=INK, lw=1.0, shrinkA=0, shrinkB=0)
    )
    if label:
        axes.text((start[0] + end[0]) / 2, start[1] + 1.1, label, ha="center", va="center", fontsize=8)
