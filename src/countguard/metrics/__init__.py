"""Accuracy of a counter, success of an attack on it, and the intervals of both."""

from countguard.metrics import backdoor, localisation  # noqa: F401  they enter their metrics, after those of `counting`
from countguard.metrics.metric import METRICS, Measurement, Metric, measure, metric
from countguard.metrics.predictions import Predictions

__all__ = ["METRICS", "Measurement", "Metric", "Predictions", "measure", "metric"]
