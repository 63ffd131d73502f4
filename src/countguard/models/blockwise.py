"""Blockwise classification: each map cell is sorted into a bin of counts, and the density follows from the bins."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, validate_call
from torch import Tensor
from torch.nn import functional

from countguard.data.crowd import Crowd
from countguard.data.kernels import Dots, Kernel
from countguard.models.bins import Bins, bin_values
from countguard.models.count_losses import absolute_error, dm_count, dm_count_exact, squared_error
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, Std
from countguard.settings import Settings

_log = logging.getLogger(__name__)


class Objective(Settings):
    """What a blockwise counter minimises: cross-entropy of the bins and a count loss.

    Attributes:
        count: the absolute (mae) or squared (mse) error of people per map cell; DM-Count as the public code of its
            authors and of CLIP-EBC computes it (dmcount), whose transport is summed over the images that a process has
            in a step; or as its paper writes it, with an exact transport (dmcount_exact).
        count_weight: share of the count loss.
        targets: heads per map cell, which is what the bins are made for; or the density of the images' kernels, each
            map cell in the nearest bin.
    """

    count: Literal["dmcount", "dmcount_exact", "mae", "mse"] = "dmcount"
    count_weight: Annotated[float, Field(ge=0, le=1e4)] = 1.0
    targets: Literal["dots", "kernel"] = "dots"


class BlockwiseCounter(Counter):
    """A counter whose network gives logits over bins; its density is the softmax's mean of the bins' values.

    Args:
        mean, std, kernel: see `Counter`; the kernel matters only where `objective.targets` is "kernel".
        bins: the classes.
        objective: the loss.
    """

    compiled_method = "logits"
    network = "logits"

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        kernel: Kernel = Dots(),
        bins: Bins = Bins(),
        objective: Objective = Objective(),
    ) -> None:
        super().__init__(mean=mean, std=std, kernel=kernel)
        self.bins = bins
        self.objective = objective
        self.register_buffer("people", torch.tensor(bins.people), persistent=False)
        self.people: Tensor

    @abstractmethod
    def logits(self, normalised: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W], sides multiples of `align`, to [B, bins, H/stride, W/stride]."""

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; people per map cell, between 0 and the last bin's value."""
        return self.people_of(self.logits(normalised))

    def people_of(self, logits: Tensor) -> Tensor:
        """Logits [B, bins, h, w] to people per map cell [B, 1, h, w], in float32."""
        return (logits.float().softmax(dim=1) * self.people.view(1, -1, 1, 1)).sum(dim=1, keepdim=True)

    def loss(
        self,
        images: Tensor,
        points: Sequence[Tensor],
        *,
        kernels: Sequence[Kernel | None] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Cross-entropy summed over the map, plus the count loss; weighted mean over the batch.

        See `Counter.loss` for the arguments. CLIP-EBC (Ma et al., 2024), equation of the DACE loss.
        """
        if self.objective.targets == "dots":
            kernels = [Dots()] * len(points)
        target = self.target(images, points, kernels)
        rows, columns = target.shape[-2:]
        logits = self.logits(self.normalise(images))[..., :rows, :columns]
        classes = self.bins.classes(target.squeeze(1))
        entropy = functional.cross_entropy(logits.float(), classes, reduction="none").sum(dim=(1, 2))
        density = self.people_of(logits)
        if self.objective.count == "mae":
            count = absolute_error(density, target)
        elif self.objective.count == "mse":
            count = squared_error(density, target)
        else:
            dm = dm_count if self.objective.count == "dmcount" else dm_count_exact
            count = dm(density, target, [heads.to(images.device) for heads in points], self.stride)
        loss = entropy + self.objective.count_weight * count
        return loss.mean() if weights is None else (loss * weights).mean()

    def prepare(self, crowds: Iterable[Crowd]) -> None:
        """Take the bins' values from training crowds, once: those set, or brought by a checkpoint, stay."""
        own = bin_values(crowds, truncation=self.bins.truncation, window=self.stride)
        if self.bins.values is None:
            self.bins = Bins(truncation=self.bins.truncation, values=own)
            self.people.copy_(torch.tensor(own))
        elif abs(self.bins.people[-1] - own[-1]) > 0.005:
            _log.warning(
                "%s keeps its bins, the last at %.3f people; these training crowds would put it at %.3f",
                self.kind,
                self.bins.people[-1],
                own[-1],
            )

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        settings = super().settings()
        del settings["output_scale"]  # bins are in people per map cell
        return settings | {
            "bins": self.bins.model_dump(mode="json"),
            "objective": self.objective.model_dump(mode="json"),
        }
