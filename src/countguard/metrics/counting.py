"""Accuracy of a counter on clean images."""

import numpy as np

from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.metric import Measurement, metric
from countguard.metrics.ratios import ACCURATE, Floats, RatioRange


def mean_absolute_error(estimates: Floats, truths: Floats, axis: int = -1) -> Floats:
    """MAE of the count over `axis`, heads."""
    return np.asarray(np.abs(estimates - truths).mean(axis=axis))


def root_mean_squared_error(estimates: Floats, truths: Floats, axis: int = -1) -> Floats:
    """RMSE of the count over `axis`, heads."""
    return np.asarray(np.sqrt(np.square(estimates - truths).mean(axis=axis)))


def ratio_rate(estimates: Floats, truths: Floats, ratios: RatioRange = ACCURATE, axis: int = -1) -> Floats:
    """Fraction over `axis` of the images whose r = estimate / truth lies in the range; truths must be above 0."""
    return np.asarray(ratios.holds(estimates / truths).mean(axis=axis))


@metric("mae", "MAE", digits=2)
def mae(measurement: Measurement) -> Interval:
    """Mean absolute error on clean images, heads."""
    return bootstrap_interval(mean_absolute_error, [measurement.predictions.clean, measurement.predictions.truths])


@metric("rmse", "RMSE", digits=2)
def rmse(measurement: Measurement) -> Interval:
    """Root mean squared error on clean images, heads."""
    return bootstrap_interval(root_mean_squared_error, [measurement.predictions.clean, measurement.predictions.truths])


@metric("rho_acc", "ρ", subscript="Acc", tex=r"$\rho_{\mathrm{Acc}}$")
def rho_acc(measurement: Measurement) -> Interval | None:
    """Fraction of clean images counted right, within 10 % (paper, equation 2); None where no image has a head."""
    return rate_on_images_with_heads(measurement, measurement.predictions.clean)


def rate_on_images_with_heads(
    measurement: Measurement, estimates: Floats, ratios: RatioRange = ACCURATE
) -> Interval | None:
    """The fraction of the images with heads whose ratio lies in a range; None if no image has a head."""
    ratio = measurement.predictions.has_ratio
    if not ratio.any():
        return None

    def rate(estimates: Floats, truths: Floats, axis: int = -1) -> Floats:
        return ratio_rate(estimates, truths, ratios, axis=axis)

    return bootstrap_interval(rate, [estimates[ratio], measurement.predictions.truths[ratio]])
