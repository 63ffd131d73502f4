"""Bins of blockwise classification: heads in a map cell, as classes (Liu et al., CVPR 2019; CLIP-EBC, 2024)."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.settings import Settings


class Bins(Settings):
    """The bins {0}, {1}, ..., {truncation - 1}, {truncation or more}.

    Attributes:
        truncation: number of heads from which a map cell belongs to the last bin.
        values: number of people for each bin; None until they are measured on training crowds, and until then the
            numbers 0 to `truncation`.
    """

    truncation: Annotated[int, Field(ge=1, le=20)] = 4
    values: tuple[Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)], ...] | None = None

    @model_validator(mode="after")
    def _fit(self) -> "Bins":
        if self.values is not None:
            if len(self.values) != self.number:
                raise ValueError(f"values: truncation {self.truncation} needs {self.number}; got {len(self.values)}")
            if any(low >= high for low, high in zip(self.values, self.values[1:], strict=False)):
                raise ValueError(f"values: each should be above the one before it; got {self.values}")
        return self

    @property
    def number(self) -> int:
        """The number of bins."""
        return self.truncation + 1

    @property
    def people(self) -> tuple[float, ...]:
        """The number of people for each bin."""
        return self.values if self.values is not None else tuple(float(people) for people in range(self.number))

    def classes(self, people: Tensor) -> Tensor:
        """The bin nearest to a number of people per map cell, of any shape: int64."""
        return people.add(0.5).floor().clamp(0, self.truncation).long()


def bin_values(crowds: Iterable[Crowd], *, truncation: int = 4, window: int = 8) -> tuple[float, ...]:
    """The values of the bins in a data set: 0, 1, ..., and the mean of the last bin.

    The mean is over all windows of `window` pixels, at every position in every image, that hold at least `truncation`
    heads. As in CLIP-EBC's data preparation, points are rounded to the nearest pixel, and heads on the same pixel count
    once. If no window holds that many heads, the value of the last bin is `truncation`.
    """
    heads = windows = 0
    for crowd in crowds:
        counts = _heads_in_windows(crowd, window)
        full = counts[counts >= truncation]
        heads += int(full.sum())
        windows += len(full)
    last = heads / windows if windows else float(truncation)
    return (*map(float, range(truncation)), last)


def _heads_in_windows(crowd: Crowd, window: int) -> Tensor:
    """Heads in each window of an image that holds any: int64 [windows]."""
    last_pixel = torch.tensor([crowd.width, crowd.height]) - 1
    pixels = torch.unique(crowd.points.round().long().minimum(last_pixel).clamp_min(0), dim=0)
    shifts = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    corners = (pixels.unsqueeze(1) - shifts).flatten(0, 1)  # of every window that sees the head
    inside = (corners >= 0) & (corners <= last_pixel + 1 - window)
    corners = corners[inside.all(dim=1)]
    counts: Tensor = torch.unique(corners[:, 1] * crowd.width + corners[:, 0], return_counts=True)[1]
    return counts
