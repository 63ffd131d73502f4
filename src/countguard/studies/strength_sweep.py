"""Success against the trigger's strength: the same counters with a weaker or stronger trigger at test time."""

from collections.abc import Sequence

from countguard.metrics.counting import ratio_rate
from countguard.metrics.ratios import Direction, Floats, success_ranges
from countguard.runs.card import StrengthRow


def success_by_strength(
    truths: Floats,
    strengths: Sequence[float],
    estimates: Sequence[Floats],
    clean: Sequence[Floats] | None,
    direction: Direction,
) -> list[StrengthRow]:
    """One row for each strength: rho_acc_triggered, and rho_asr and false_asr where they are defined.

    Args:
        truths: true counts of the test crowds.
        strengths: of the trigger, 0..1.
        estimates: for each strength, those of the counter whose success is measured.
        clean: the same of the counter that was never attacked; None if it is that one.
        direction: of the attack; 0 if it does not change the count.
    """
    has_ratio = truths > 0
    if not has_ratio.any():
        return []
    success = success_ranges(direction).get("rho_asr")
    rows = []
    for place, strength in enumerate(strengths):
        row = {
            "share": strength,
            "rho_acc_triggered": float(ratio_rate(estimates[place][has_ratio], truths[has_ratio])),
        }
        if success is not None and clean is not None:
            row["rho_asr"] = float(ratio_rate(estimates[place][has_ratio], truths[has_ratio], success))
            row["false_asr"] = float(ratio_rate(clean[place][has_ratio], truths[has_ratio], success))
        rows.append(StrengthRow(**row))
    return rows
