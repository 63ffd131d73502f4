"""Bootstrap intervals over images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from countguard.metrics.ratios import Floats

RESAMPLES = 2000
DRAWS = 20_000_000
"""Images drawn for one interval, over all resamples; above 10,000 images there are fewer resamples."""
LEAST = 100
"""Resamples of the largest sets, whose intervals are narrow."""
_AT_ONCE = 1 << 21
"""Draws in memory at a time, a few dozen bytes each."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value with its 95 % interval.

    Attributes:
        value: the statistic on all images.
        low, high: 2.5 % and 97.5 % of its bootstrap distribution; both equal `value` for a single image.
    """

    value: float
    low: float
    high: float


def bootstrap_interval(statistic: Callable[..., Floats], columns: Sequence[Floats], seed: int = 0) -> Interval:
    """The statistic of some images with its percentile bootstrap over images (Efron, 1979).

    Uses 2000 resamples up to 10,000 images and fewer above, to bound the time, and works in blocks, to bound memory.

    Args:
        statistic: takes the columns, each [..., images], and an `axis`, and reduces that axis.
        columns: each with one value for each image; an image is drawn with all its values.
        seed: of the resampling.
    """
    value = float(statistic(*columns, axis=-1))
    images = len(columns[0])
    if images < 2:
        return Interval(value, value, value)
    from scipy.stats import bootstrap

    result = bootstrap(
        tuple(columns),
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=max(LEAST, min(RESAMPLES, DRAWS // images)),
        batch=max(1, _AT_ONCE // images),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(value, float(result.confidence_interval.low), float(result.confidence_interval.high))
