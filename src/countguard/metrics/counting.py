"""Counting errors and ratio rates: on whole arrays, and as a torchmetric that adds up over batches and devices."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from countguard.metrics.ratios import ACCURATE, Floats, RatioRange


def mean_absolute_error(estimates: Floats, truths: Floats, axis: int = -1) -> Floats:
    """MAE of the count over `axis`, heads."""
    return np.asarray(np.abs(estimates - truths).mean(axis=axis))


def root_mean_squared_error(estimates: Floats, truths: Floats, axis: int = -1) -> Floats:
    """RMSE of the count over `axis`, heads."""
    return np.asarray(np.sqrt(np.square(estimates - truths).mean(axis=axis)))


def ratio_rate(estimates: Floats, truths: Floats, ratios: RatioRange = ACCURATE, axis: int = -1) -> Floats:
    """Share over `axis` of the images whose r = estimate / truth lies in the range; truths must be above 0."""
    return np.asarray(ratios.holds(estimates / truths).mean(axis=axis))


class RatioRate(Metric):
    """Share of images whose r = estimate / truth lies in a range (paper, equation 3), batch by batch.

    Images whose true count is 0 have no ratio: left out, and counted in `left_out`.

    Args:
        ratios: the range; by default rho_Acc's.
        kwargs: torchmetrics' own (synchronisation between processes).
    """

    full_state_update = False
    inside: Tensor
    images: Tensor
    left_out: Tensor

    def __init__(self, ratios: RatioRange = ACCURATE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratios = ratios
        for state in ("inside", "images", "left_out"):
            self.add_state(state, default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, estimates: Tensor, truths: Tensor) -> None:
        """Adds images: estimated and true counts, both [B]."""
        has_ratio = truths > 0
        ratios = (estimates[has_ratio].double() / truths[has_ratio].double()).cpu().numpy()
        self.inside += int(self.ratios.holds(ratios).sum())
        self.images += int(has_ratio.sum())
        self.left_out += int((~has_ratio).sum())

    def compute(self) -> Tensor:
        """The rate in 0..1; NaN when no image had a ratio."""
        return self.inside.double() / self.images
