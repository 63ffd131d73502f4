"""The answer at a glance: success of each attack beyond what the trigger does to a clean counter."""

from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.figure import figure
from countguard.reports.figures.selection import shown_settings
from countguard.reports.figures.style import ATTACKED, FAINT, INK, RULE, Look, new_figure, repaired_look
from countguard.reports.tables.table import Value, measured
from countguard.reports.wording import counter_words
from countguard.runs.run import Run
from countguard.wording import plain


@figure("net success", needs="the clean counter and an attacked one")
def draw(run: Run) -> list[Drawn]:
    """Net success before and after each filter and repair, with intervals; nothing before a net success is known."""
    lines: list[tuple[int, float, Look, str, Value]] = []
    shown = [name for name in run.strategies if measured(run.select(run.reference, name), "net_asr")]
    step = min(0.24, 0.8 / (1 + len(run.defenses)))
    for place, strategy in enumerate(shown):
        for offset, defense in enumerate(("", *run.defenses)):
            cells = run.select(run.reference, strategy, defense)
            value = measured(cells, "net_asr")
            if value:
                look = repaired_look(defense, run.defenses) if defense else ATTACKED
                height = place + step * (offset - len(run.defenses) / 2)
                lines.append((place, height, look, counter_words(run, defense), value))
    if not lines:
        return []
    drawing = new_figure(8.2, 0.9 + max(0.6, 0.3 * (1 + len(run.defenses))) * len(shown))
    axes = drawing.add_subplot()
    named: set[str] = set()
    for _, height, look, label, value in lines:
        low, high = value.low or 0.0, value.high or 0.0
        axes.plot([low, high], [height, height], color=look.colour, lw=2.4, solid_capstyle="butt")
        text = plain(label, 40) if label not in named else None
        axes.plot(value.value, height, look.marker, color=look.colour, ms=6.5, label=text)
        named.add(label)
        axes.text(
            max(high, value.value) + 0.015, height, value.text(2, signed=True), va="center", fontsize=8, color=INK
        )
    axes.axvline(0, color=FAINT, lw=0.9)
    for place in range(len(shown) - 1):
        axes.axhline(place + 0.5, color=RULE, lw=0.7)
    axes.set_yticks(range(len(shown)), [plain(name, 24) for name in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(min(-0.1, *(value.low or 0.0 for *_, value in lines)) - 0.02, 1.12)
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("net success: share of triggered images fooled, less that of the clean counter")
    drawing.legend(loc="outside upper left", ncols=min(4, len(named)))
    values = [f"{shown[place]}, {label}: {value.text(2)} {value.range_text(2)}" for place, _, _, label, value in lines]
    alt = f"Net success of each attack, with intervals. {'; '.join(values)}."
    bars = "smallest to largest of the seeds" if len(run.seeds) > 1 else "95 % intervals over images"
    caption = (
        f"Success beyond what the trigger alone does to a counter that was never attacked. At 0 the attack adds "
        f"nothing; bars: {bars}.{shown_settings(run)}"
    )
    return [Drawn("net_success", "The answer at a glance", drawing, alt, caption)]
