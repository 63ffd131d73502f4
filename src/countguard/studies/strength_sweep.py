"""Success against the trigger's strength: the same counters with a weaker or stronger trigger at test time."""

from collections.abc import Sequence

import numpy as np

from countguard.attacks.triggers import Trigger
from countguard.data.crowd import Crowd
from countguard.metrics.counting import ratio_rate
from countguard.metrics.ratios import Direction, success_ranges
from countguard.models.counter import Counter
from countguard.runs.card import StrengthRow
from countguard.runs.predictions import triggered_counts


def success_by_strength(
    counter: Counter,
    clean_counter: Counter | None,
    crowds: Sequence[Crowd],
    trigger: Trigger,
    strengths: Sequence[float],
    direction: Direction,
    seed: int,
) -> list[StrengthRow]:
    """One row for each strength: rho_acc_triggered, and rho_asr and false_asr where they are defined.

    Args:
        counter: whose success is measured.
        clean_counter: the counter that was never attacked; None if `counter` is that one.
        crowds: the test crowds.
        trigger: taken at each strength.
        strengths: 0..1.
        direction: of the attack; 0 if it does not change the count.
        seed: of the trigger.
    """
    truths = np.array([crowd.count for crowd in crowds], dtype=np.float64)
    has_ratio = truths > 0
    if not strengths or not has_ratio.any():
        return []
    triggers = [trigger.with_strength(strength) for strength in strengths]
    estimates = triggered_counts(counter, crowds, triggers, seed)
    clean = triggered_counts(clean_counter, crowds, triggers, seed) if clean_counter is not None else None
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
