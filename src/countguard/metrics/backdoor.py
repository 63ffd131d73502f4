"""Success of an attack, beside the effect of the trigger on a counter that was never attacked."""

from collections.abc import Callable

import numpy as np

from countguard.metrics import counting  # noqa: F401  its metrics come first in results.csv
from countguard.metrics.counting import (
    mean_absolute_error,
    rate_on_images_with_heads,
    ratio_rate,
    root_mean_squared_error,
)
from countguard.metrics.intervals import Interval, bootstrap_interval
from countguard.metrics.metric import Measurement, metric
from countguard.metrics.ratios import Floats, success_ranges


def _success(measurement: Measurement, estimates: Floats | None, name: str = "rho_asr") -> Interval | None:
    """The rate of one of `success_ranges`; None if the attack has none, or without estimates."""
    ranges = success_ranges(measurement.direction)
    if estimates is None or name not in ranges:
        return None
    return rate_on_images_with_heads(measurement, estimates, ranges[name])


@metric("rho_asr", "ρ", subscript="Asr", tex=r"$\rho_{\mathrm{Asr}}$")
def rho_asr(measurement: Measurement) -> Interval | None:
    """Fraction of triggered images miscounted by more than 10 % in the attack's direction (paper, equation 3)."""
    return _success(measurement, measurement.predictions.triggered)


def _band(name: str, note: str, tex: str) -> None:
    """Registers one of the bands of the paper's table 2."""
    metric(name, "ρ", subscript="Asr", note=note, tex=rf"$\rho_{{\mathrm{{Asr}}}}^{{{tex}}}$")(
        lambda measurement: _success(measurement, measurement.predictions.triggered, name)
    )


_band("rho_asr_10_30", "±0.1 to 0.3", r"\pm 0.1\sim")
_band("rho_asr_30_50", "±0.3 to 0.5", r"\pm 0.3\sim")
_band("rho_asr_50_100", "±0.5 to 1", r"\pm 0.5\sim")
_band("rho_asr_100", "above +1", r"\pm 1\sim")


@metric("false_asr", "false", subscript="Asr", note="clean counter", tex=r"$\mathrm{false}_{\mathrm{Asr}}$")
def false_asr(measurement: Measurement) -> Interval | None:
    """rho_asr of the clean counter on the same triggered images, by the same rule."""
    return _success(measurement, measurement.clean_counter)


@metric("net_asr", "net", subscript="Asr", note="ρ less false", signed=True, tex=r"$\mathrm{net}_{\mathrm{Asr}}$")
def net_asr(measurement: Measurement) -> Interval | None:
    """rho_asr less false_asr, image by image; it may be negative."""
    predictions, clean = measurement.predictions, measurement.clean_counter
    success = success_ranges(measurement.direction).get("rho_asr")
    ratio = predictions.has_ratio
    if success is None or clean is None or not ratio.any():
        return None

    def difference(attacked: Floats, clean: Floats, true: Floats, axis: int = -1) -> Floats:
        return np.asarray(ratio_rate(attacked, true, success, axis) - ratio_rate(clean, true, success, axis))

    return bootstrap_interval(difference, [predictions.triggered[ratio], clean[ratio], predictions.truths[ratio]])


@metric("rho_acc_triggered", "ρ", subscript="Acc", note="triggered", tex=r"$\rho_{\mathrm{Acc}}^{\mathrm{triggered}}$")
def rho_acc_triggered(measurement: Measurement) -> Interval | None:
    """Fraction of triggered images counted right; None where no image has a head."""
    return rate_on_images_with_heads(measurement, measurement.predictions.triggered)


@metric("shift", "Shift", note="1: the attacker's count", digits=2, tex="Shift")
def shift(measurement: Measurement) -> Interval | None:
    """Median of (triggered - clean) / (target - true) over the images whose target differs from the truth."""
    predictions = measurement.predictions
    moved = predictions.targets != predictions.truths
    if not moved.any():
        return None
    shifts = (predictions.triggered - predictions.clean)[moved] / (predictions.targets - predictions.truths)[moved]
    return bootstrap_interval(np.median, [shifts])


@metric(
    "false_asr_repaired",
    "false",
    subscript="Asr",
    note="clean counter, repaired",
    tex=r"$\mathrm{false}_{\mathrm{Asr}}^{\mathrm{ft}}$",
    in_results=False,
)
def false_asr_repaired(measurement: Measurement) -> Interval | None:
    """rho_asr of the clean counter that was repaired in the same way; only for repaired counters.

    Of filtered and relearned ones: of the clean counter trained on what the filter left, or tuned on the same images.
    """
    return _success(measurement, measurement.repaired_clean_counter)


@metric("mae_triggered", "MAE", note="triggered", digits=2, tex=r"MAE\textsuperscript{triggered}", in_results=False)
def mae_triggered(measurement: Measurement) -> Interval:
    """Mean absolute error of the count of triggered images against the true count, heads (DMBA, Sun et al., 2022)."""
    return bootstrap_interval(mean_absolute_error, [measurement.predictions.triggered, measurement.predictions.truths])


@metric("rmse_triggered", "RMSE", note="triggered", digits=2, tex=r"RMSE\textsuperscript{triggered}", in_results=False)
def rmse_triggered(measurement: Measurement) -> Interval:
    """Root mean squared error of the count of triggered images against the true count, heads (DMBA)."""
    predictions = measurement.predictions
    return bootstrap_interval(root_mean_squared_error, [predictions.triggered, predictions.truths])


@metric("mae_target", "MAE", note="triggered, target", digits=2, tex=r"MAE\textsuperscript{target}", in_results=False)
def mae_target(measurement: Measurement) -> Interval | None:
    """Mean absolute error of the count of triggered images against the attacker's count, heads (DMBA).

    None where every target is the true count: for a counter that was never attacked, and an attack that moves heads.
    """
    return _target_error(mean_absolute_error, measurement)


@metric(
    "rmse_target", "RMSE", note="triggered, target", digits=2, tex=r"RMSE\textsuperscript{target}", in_results=False
)
def rmse_target(measurement: Measurement) -> Interval | None:
    """Root mean squared error of the count of triggered images against the attacker's count, heads (DMBA)."""
    return _target_error(root_mean_squared_error, measurement)


def _target_error(error: Callable[..., Floats], measurement: Measurement) -> Interval | None:
    predictions = measurement.predictions
    if (predictions.targets == predictions.truths).all():
        return None
    return bootstrap_interval(error, [predictions.triggered, predictions.targets])
