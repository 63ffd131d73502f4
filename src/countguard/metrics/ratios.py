"""Which ratios of estimate to truth count as right, and which as a success of the attack (paper, equations 2, 3)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Direction = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class RatioRange:
    """An interval of r = estimate / truth.

    Attributes:
        low, high: the ends.
        closed: which ends belong to it.
    """

    low: float
    high: float
    closed: Literal["both", "left", "right", "neither"] = "left"

    def holds(self, ratios: Floats) -> NDArray[np.bool_]:
        """Whether each ratio lies in the interval."""
        above = ratios >= self.low if self.closed in ("both", "left") else ratios > self.low
        below = ratios <= self.high if self.closed in ("both", "right") else ratios < self.high
        return above & below


ACCURATE = RatioRange(0.9, 1.1, closed="both")
"""rho_Acc: within 10 % of the truth, ends included."""

_INFLATED = {
    "rho_asr": RatioRange(1.1, np.inf, closed="right"),
    "rho_asr_10_30": RatioRange(1.1, 1.3, closed="neither"),
    "rho_asr_30_50": RatioRange(1.3, 1.5),
    "rho_asr_50_100": RatioRange(1.5, 2.0),
    "rho_asr_100": RatioRange(2.0, np.inf, closed="both"),
}
_DEFLATED = {
    "rho_asr": RatioRange(-np.inf, 0.9),
    "rho_asr_10_30": RatioRange(0.7, 0.9),
    "rho_asr_30_50": RatioRange(0.5, 0.7),
    "rho_asr_50_100": RatioRange(-np.inf, 0.5),
}


def success_ranges(direction: Direction) -> dict[str, RatioRange]:
    """rho_Asr and its bands (paper, table 2) for an attack that inflates (1) or deflates (-1) the count.

    Open at 0.9 and 1.1, because rho_Acc is closed there. Bands are half-open, so that they sum to rho_Asr. Estimates
    below zero count as deflated. Empty for an attack that does not change the count.
    """
    return {1: _INFLATED, -1: _DEFLATED, 0: {}}[direction]
