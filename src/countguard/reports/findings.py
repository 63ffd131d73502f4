"""The answer first: is the attack real, does the repair work, and what does it cost. Computed, sentence by sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from countguard.metrics.intervals import Interval
from countguard.reports.compare import changes, excess, excesses, trigger_effect
from countguard.reports.tables.relearned import images_in_words
from countguard.reports.tables.table import Value, measured, over_seeds
from countguard.runs.plan import CLEAN, Variant, variant_text
from countguard.runs.run import FinishedCell, Run
from countguard.wording import join

NO_BREAK = "\N{NO-BREAK SPACE}"
_NO_RATE = "This attack leaves the count as it is, so none is defined."
Sign = Literal["above", "below", "unclear"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found for one attack.

    Attributes:
        strategy: of the attack, or the counter that was never attacked.
        verdict: a few words; findings with the same words stand together in the headline.
        text: one or two sentences with the numbers.
    """

    strategy: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, and what this run says to it."""

    question: str
    findings: Sequence[Finding]

    @property
    def headline(self) -> str:
        """Each verdict once, with the attacks it holds for, the most frequent first."""
        verdicts: dict[str, list[str]] = {}
        for finding in self.findings:
            verdicts.setdefault(finding.verdict, []).append(finding.strategy)
        frequent = sorted(verdicts.items(), key=lambda item: -len(item[1]))
        return " ".join(f"{verdict}: {join(names)}." for verdict, names in frequent) or "Not measured yet."


def answers(run: Run) -> list[Answer]:
    """The questions, all but the first for each defense, over every variant of the recipe."""
    attacked = [row for variant in run.variants for row in _rows(run, variant, run.strategies)]
    all_counters = [row for variant in run.variants for row in _rows(run, variant, (CLEAN, *run.strategies))]
    found = [Answer("Is the attack real?", [_attack(run, row) for row in attacked])]
    for defense in run.defenses:
        of = f" ({defense})" if len(run.defenses) > 1 else ""
        noun = "filter" if defense in run.plan.filters else "repair"
        found.append(Answer(f"Does the {noun} work{of}?", [_defense(run, row, defense) for row in attacked]))
        found.append(Answer(f"At what cost{of}?", [_cost(run, row, defense) for row in all_counters]))
        if run.plan.relearns and defense in run.repairs:
            found.append(Answer(f"Does the repair last{of}?", [_lasting(run, row, defense) for row in attacked]))
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """The counters of one strategy at one combination of the varied settings, and what they are called."""

    variant: Variant
    strategy: str
    label: str


def _rows(run: Run, variant: Variant, strategies: Sequence[str]) -> list[_Row]:
    at = f" at {variant_text(variant)}" if variant else ""
    return [_Row(variant, name, f"{'clean counter' if name == CLEAN else name}{at}") for name in strategies]


def sign(intervals: Iterable[Interval]) -> Sign:
    """On which side of 0 every interval lies; `unclear` where one covers it, or where there is none."""
    ends = [(interval.low, interval.high) for interval in intervals]
    if ends and all(low > 0 for low, _ in ends):
        return "above"
    return "below" if ends and all(high < 0 for _, high in ends) else "unclear"


def _attack(run: Run, row: _Row) -> Finding:
    strategy, cells = row.label, run.select(row.variant, row.strategy)
    if not cells:
        return Finding(strategy, "Not measured yet", "The attacked counter is not finished.")
    success, false, net = (measured(cells, name) for name in ("rho_asr", "false_asr", "net_asr"))
    if success is None:
        right = measured(cells, "rho_acc_triggered")
        counted = f" {_rate(right)} of the triggered images are counted right." if right else ""
        return Finding(strategy, "No success rate", f"{_NO_RATE}{counted}")
    fooled = f"{_rate(success)} of the triggered images are counted {_wrong(cells[0])}"
    if false is None or net is None:
        text = f"{fooled}. Without the clean counter's rate on the same images that means nothing."
        return Finding(strategy, "Cannot tell without the clean counter", text)
    effects = [effect for cell in cells if (effect := trigger_effect(cell))]
    text = f"{fooled}; a counter that was never attacked does so on {_rate(false)}. Net {_points(net)}."
    gained = over_seeds(effects)
    if gained:
        text += f" Against the same counter without the trigger: {_points(gained)}."
    return Finding(strategy, _attack_verdict(sign(_intervals(cells, "net_asr")), sign(effects)), text)


def _attack_verdict(net: Sign, effect: Sign) -> str:
    if net == "below":
        return "No"
    if net == "unclear":
        return "Cannot tell"
    return "Yes" if effect == "above" else "Miscounts, and not shown that the trigger does it"


def _defense(run: Run, row: _Row, defense: str) -> Finding:
    strategy = row.label
    before, after = run.select(row.variant, row.strategy), run.select(row.variant, row.strategy, defense)
    clean = {cell.card.seed: cell for cell in run.select(row.variant, CLEAN, defense)}
    found = changes(before, after)
    old, new = measured(before, "rho_asr"), measured(after, "rho_asr")
    drops = [change.success for change in found if change.success]
    change = over_seeds(drops)
    if not found:
        return Finding(strategy, "Not measured yet", f"The {run.plan.stage_of(defense)} counter is not finished.")
    if old is None or new is None or change is None:
        return Finding(strategy, "No success rate", _NO_RATE)
    left = measured(after, "net_asr")
    text = f"Fooled on {_rate(old)} before, {_rate(new)} after: {_points(change)}."
    if left:
        text += f" Net success left: {_points(left)}."
    same_defense = measured(after, "false_asr_repaired")
    if same_defense:
        text += f" A clean counter {run.plan.stage_of(defense)} in the same way does so on {_rate(same_defense)}."
    right = [measured(cells, "rho_acc_triggered") for cells in (before, after)]
    if right[0] and right[1]:
        text += f" Triggered images counted right: {_rate(right[0])} before, {_rate(right[1])} after."
    excesses = [excess(cell, clean[cell.card.seed]) if cell.card.seed in clean else None for cell in after]
    if (beyond := over_seeds([interval for interval in excesses if interval])) is not None:
        text += f" Beyond that counter: {_points(beyond)}."
    left_by_seed = [
        [interval for interval in (cell.card.metrics.get("net_asr"), more) if interval is not None]
        for cell, more in zip(after, excesses, strict=True)
    ]
    was_real = sign(_intervals(before, "net_asr")) == "above"
    return Finding(strategy, _repair_verdict(was_real, sign(drops), left_by_seed), text)


def _repair_verdict(was_real: bool, drop: Sign, left: Sequence[Sequence[Interval]]) -> str:
    """In a few words.

    Args:
        was_real: whether the attack could be told from what the trigger does to a clean counter.
        drop: of the success.
        left: for each seed the success beyond the clean counter, and beyond the clean counter defended in the same way.
    """
    if drop == "above":
        return "Makes it worse"
    if not was_real:
        return "Cannot tell, as before: the attack is not told from what the trigger does anyway"
    if drop == "unclear":
        return "Cannot tell"
    if not all(left):
        return "Lowers the success; what is left cannot be told without the clean counter"
    some_left = [any(interval.low > 0 for interval in seed) for seed in left]
    if all(some_left):
        return "Lowers the success, and leaves some"
    if not any(some_left):
        return "Leaves no success that these images can show"
    return "Lowers the success; the seeds disagree on what is left"


def _cost(run: Run, row: _Row, defense: str) -> Finding:
    before, after = run.select(row.variant, row.strategy), run.select(row.variant, row.strategy, defense)
    found = changes(before, after)
    name = row.label
    if not found:
        return Finding(name, "Not measured yet", f"The {run.plan.stage_of(defense)} counter is not finished.")
    accuracies = [change.accuracy for change in found if change.accuracy]
    errors = [change.error for change in found]
    worse = sign(accuracies) == "below" or sign(errors) == "above"
    better = sign(accuracies) == "above" or sign(errors) == "below"
    verdict = "Mixed" if worse and better else "Clean images are counted worse" if worse else ""
    verdict = verdict or ("Clean images are counted better" if better else "None that these images can show")
    text = ""
    accuracy, error = over_seeds(accuracies), over_seeds(errors)
    rates = [measured(cells, "rho_acc") for cells in (before, after)]
    if accuracy and rates[0] and rates[1]:
        text = f"Clean images counted right: {_rate(rates[0])} before, {_rate(rates[1])} after: {_points(accuracy)}. "
    maes = [measured(cells, "mae") for cells in (before, after)]
    if error and maes[0] and maes[1]:
        ends = error.range_text(1, signed=True)
        text += f"MAE {maes[0].text(1)} before, {maes[1].text(1)} heads after: {error.text(1, signed=True)} {ends}."
    return Finding(name, verdict, text.strip())


def _lasting(run: Run, row: _Row, repair: str) -> Finding:
    """What the repaired counter learns from a few poisoned images, beside the one that was never attacked."""
    strategy = row.label
    repaired = run.select(row.variant, row.strategy, repair)
    after = run.select(row.variant, row.strategy, repair, relearned=True)
    control = run.select(row.variant, row.strategy, relearned=True)
    before, again, learned = (measured(cells, "rho_asr") for cells in (repaired, after, control))
    if not after:
        return Finding(strategy, "Not measured yet", "The relearned counter is not finished.")
    if again is None:
        return Finding(strategy, "No success rate", _NO_RATE)
    text = f"Tuned on {images_in_words(run)} of the attack, the repaired counter is fooled on {_rate(again)}"
    text += f" (before, {_rate(before)})" if before else ""
    if learned is None:
        return Finding(strategy, "Cannot tell without the clean counter", f"{text}.")
    beyond = excesses(after, control)
    text += f"; one that was never attacked, on {_rate(learned)}."
    if (difference := over_seeds(beyond)) is not None:
        text += f" Beyond that counter: {_points(difference)}."
    verdicts: dict[Sign, str] = {
        "above": "Relearns more readily than a counter that was never attacked",
        "below": "Relearns less readily than a counter that was never attacked",
        "unclear": "Cannot be told from a counter that was never attacked",
    }
    return Finding(strategy, verdicts[sign(beyond)], text)


def _intervals(cells: Sequence[FinishedCell], metric: str) -> list[Interval]:
    return [cell.card.metrics[metric] for cell in cells if metric in cell.card.metrics]


def _wrong(cell: FinishedCell) -> str:
    return "more than 10 % too high" if cell.direction > 0 else "more than 10 % too low"


def _rate(value: Value) -> str:
    """A rate in percent."""
    return f"{100 * value.value:.0f}{NO_BREAK}%"


def _points(value: Value) -> str:
    """A difference of rates in points, with its interval or spread."""
    scaled = Value(
        100 * value.value,
        None if value.low is None else 100 * value.low,
        None if value.high is None else 100 * value.high,
        value.seeds,
    )
    return f"{scaled.text(0, signed=True)} points {scaled.range_text(0, signed=True)}".strip()
