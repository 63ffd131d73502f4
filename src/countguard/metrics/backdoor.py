"""How well an attack works, beside what the trigger alone does to a counter that was never attacked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from countguard.metrics.counting import mean_absolute_error, ratio_rate, root_mean_squared_error
from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.ratios import Direction, Floats, RatioRange, success_ranges


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a counter said of the test images; every field has one entry an image.

    Attributes:
        ids: of the images.
        truths: true counts.
        targets: what the attacker wants counted; the true counts for a counter that was never attacked.
        clean: estimates on the images as they are.
        triggered: estimates on the same images with the trigger.
    """

    ids: tuple[str, ...]
    truths: Floats
    targets: Floats
    clean: Floats
    triggered: Floats

    @property
    def has_ratio(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which images have a head, and so a ratio."""
        return self.truths > 0


def counting_metrics(predictions: Predictions) -> dict[str, Interval]:
    """`mae`, `rmse`, `rho_acc` on clean images and `rho_acc_triggered`: triggered images that are counted right.

    The ratios are absent when no image has a head.
    """
    metrics = {
        "mae": bootstrap_interval(mean_absolute_error, [predictions.clean, predictions.truths]),
        "rmse": bootstrap_interval(root_mean_squared_error, [predictions.clean, predictions.truths]),
    }
    ratio = predictions.has_ratio
    if ratio.any():
        truths = predictions.truths[ratio]
        metrics["rho_acc"] = bootstrap_interval(ratio_rate, [predictions.clean[ratio], truths])
        metrics["rho_acc_triggered"] = bootstrap_interval(ratio_rate, [predictions.triggered[ratio], truths])
    return metrics


def attack_metrics(
    predictions: Predictions,
    direction: Direction,
    clean_counter: Floats,
    repaired_clean_counter: Floats | None = None,
) -> dict[str, Interval]:
    """Success of an attack, band by band, and what of it the trigger does to a clean counter anyway.

    Args:
        predictions: of the attacked (or repaired) counter.
        direction: whether the attack inflates (1) or deflates (-1) the count.
        clean_counter: estimates of the unrepaired clean counter on the same triggered images.
        repaired_clean_counter: the same of the clean counter repaired in the same way; only for repaired rows.

    Returns:
        `rho_asr` and its bands; `false_asr`, the rate of the clean counter under the same rule; `net_asr`, their
        difference, which may be negative; `false_asr_repaired` where that counter was given; `shift`, the median
        of (triggered - clean) / (target - true) over the images whose target differs from the truth.
    """
    metrics: dict[str, Interval] = {}
    ratio = predictions.has_ratio
    ranges = success_ranges(direction)
    if ranges and ratio.any():
        truths, triggered = predictions.truths[ratio], predictions.triggered[ratio]
        for name, band in ranges.items():
            metrics[name] = bootstrap_interval(_rate_within(band), [triggered, truths])
        success = _rate_within(ranges["rho_asr"])
        metrics["false_asr"] = bootstrap_interval(success, [clean_counter[ratio], truths])
        metrics["net_asr"] = bootstrap_interval(
            lambda attacked, clean, true, axis=-1: success(attacked, true, axis=axis) - success(clean, true, axis=axis),
            [triggered, clean_counter[ratio], truths],
        )
        if repaired_clean_counter is not None:
            metrics["false_asr_repaired"] = bootstrap_interval(success, [repaired_clean_counter[ratio], truths])
    moved = predictions.targets != predictions.truths
    if moved.any():
        shifts = (predictions.triggered - predictions.clean)[moved] / (predictions.targets - predictions.truths)[moved]
        metrics["shift"] = bootstrap_interval(np.median, [shifts])
    return metrics


def _rate_within(ratios: RatioRange) -> Callable[..., Floats]:
    """`ratio_rate` for one range, as a statistic that can be resampled."""
    return partial(ratio_rate, ratios=ratios)
