"""Paired differences between two counters, or two versions of the images, on the same images."""

import numpy as np

from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.ratios import Floats, RatioRange


def rate_change(ratios: RatioRange, before: Floats, after: Floats, truths: Floats) -> Interval | None:
    """The fraction of ratios in a range after minus that before, paired by image; None if no image has a head.

    Args:
        ratios: which r = estimate / truth count.
        before, after: estimates of the same images.
        truths: true counts.
    """
    has_ratio = truths > 0
    if not has_ratio.any():
        return None
    inside = [ratios.holds(estimates[has_ratio] / truths[has_ratio]).astype(float) for estimates in (before, after)]
    return bootstrap_interval(np.mean, [inside[1] - inside[0]])


def error_change(before: Floats, after: Floats, truths: Floats) -> Interval:
    """The mean absolute error after minus that before, heads, paired by image."""
    return bootstrap_interval(np.mean, [np.abs(after - truths) - np.abs(before - truths)])
