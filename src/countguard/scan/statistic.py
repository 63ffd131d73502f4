"""What the probes say, family by family, with intervals over images and probes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countguard.metrics.intervals import RESAMPLES
from countguard.metrics.ratios import Floats
from countguard.scan.effects import Effects
from countguard.seeds import derived_seed

_PICTURES = ("leaves", "wallpaper", "contours", "noise", "cloud", "flat", "crowd")


@dataclass(frozen=True, slots=True)
class Group:
    """Probes that are judged together.

    Attributes:
        families: of the probes.
        strength: of the probes; None for all strengths.
    """

    families: tuple[str, ...]
    strength: float | None = None

    def holds(self, family: str, strength: float) -> bool:
        """Whether a probe is one of the group."""
        return family in self.families and self.strength in (None, strength)


GROUPS: dict[str, Group] = {
    "mixed_picture": Group(_PICTURES, 0.1),
    "stronger_picture": Group(_PICTURES, 0.2),
    "contrast": Group(("contrast",)),
    "patch": Group(("patch",)),
    "stripes": Group(("stripes",)),
    "waves": Group(("waves",)),
    "rain": Group(("rain",)),
    "snow": Group(("snow",)),
    "warp": Group(("warp",)),
}
"""Probes that show the same kind of attack. How a counter's answer grows with a picture's share tells of an attack."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What the probes of one family at one strength do to the count.

    Attributes:
        family, strength: of the probes.
        shift: mean over probes and images of log(count with / count without).
        low, high: its 95 % interval, over other images and other probes.
    """

    family: str
    strength: float
    shift: float
    low: float
    high: float


def shifts_of(effects: Effects, seed: int = 0) -> list[Shift]:
    """One for each family and strength, in the order of the probes."""
    ratios = effects.log_ratios
    rows: dict[tuple[str, float], list[int]] = {}
    for row, probe in enumerate(effects.probes):
        rows.setdefault((probe.family, probe.strength), []).append(row)
    return [
        Shift(family, strength, *_crossed_interval(ratios[chosen], derived_seed(seed, family, strength)))
        for (family, strength), chosen in rows.items()
    ]


def group_shifts(shifts: Sequence[Shift]) -> dict[str, float]:
    """The mean shift of each of `GROUPS`, over its families and strengths; groups without a probe are left out."""
    members = {
        name: [shift.shift for shift in shifts if group.holds(shift.family, shift.strength)]
        for name, group in GROUPS.items()
    }
    return {name: float(np.mean(values)) for name, values in members.items() if values}


def _crossed_interval(ratios: Floats, seed: int) -> tuple[float, float, float]:
    """The mean of [probes, images] and its percentile bootstrap, rows and columns drawn apart (Owen, 2007).

    NaN stands where a pair was not tried.
    """
    generator = np.random.default_rng(seed)
    probes, images = ratios.shape
    tried = ~np.isnan(ratios)
    values = np.where(tried, ratios, 0.0)
    by_probe = generator.multinomial(probes, np.full(probes, 1 / probes), size=RESAMPLES)
    by_image = generator.multinomial(images, np.full(images, 1 / images), size=RESAMPLES)
    sums = np.einsum("rp,pi,ri->r", by_probe, values, by_image, optimize=True)
    weights = np.einsum("rp,pi,ri->r", by_probe, tried.astype(float), by_image, optimize=True)
    means = sums[weights > 0] / weights[weights > 0]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.sum() / tried.sum()), float(low), float(high)
