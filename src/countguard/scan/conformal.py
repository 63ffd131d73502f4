"""A threshold whose rate of false alarms is known, whatever the scores' distribution."""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from countguard.metrics.ratios import Floats


def conformal_threshold(scores: "Floats", rate: float) -> tuple[float, float]:
    """The threshold that a new score exceeds with a probability of at most `rate`, and that probability.

    Split conformal prediction (Vovk et al., 2005): it holds as long as the new thing is one like those of the scores,
    and in the mean over such sets of scores. With fewer than 1 / rate - 1 scores, the least rate that can be stated is
    1 / (number + 1), at the greatest score.

    Args:
        scores: of clean things, at least one.
        rate: in 0..1.
    """
    number = len(scores)
    rank = math.ceil((number + 1) * (1 - rate) - 1e-9)
    if rank > number:
        return float(scores.max()), 1 / (number + 1)
    return float(np.sort(scores)[rank - 1]), rate
