"""Sharpness-aware fine-tuning."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from countguard.data.loading import Batch
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.models.counter import Counter
from countguard.training.module import CounterModule
from countguard.training.settings import Training


@DEFENSES.register()
class SharpnessAware(TrainedDefense):
    """Fine-tunes towards flat minima: each step descends from the worst weights nearby (SAM, Foret et al., 2021).

    With `adaptive`, distance is measured relative to the size of each weight, as in FT-SAM against backdoors (Zhu et
    al., 2023), so that the large weights that a backdoor needs move most.

    Attributes:
        rho: radius of the neighbourhood.
        adaptive: whether the radius of a weight grows with the weight.
    """

    kind: Literal["sharpness_aware"] = "sharpness_aware"
    rho: Annotated[float, Field(gt=0)] = 0.5
    adaptive: bool = True

    def module(self, counter: Counter, training: Training, steps_per_epoch: int, seed: int) -> CounterModule:
        """A step with two gradients."""
        return _SharpnessAwareModule(counter, training, steps_per_epoch, seed, self.rho, self.adaptive)


class _SharpnessAwareModule(CounterModule):
    def __init__(
        self, counter: Counter, training: Training, steps_per_epoch: int, seed: int, rho: float, adaptive: bool
    ) -> None:
        super().__init__(counter, training, steps_per_epoch, seed)
        self.rho, self.adaptive = rho, adaptive
        self._kept: list[Tensor] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss at the worst weights nearby; the weights stay there until its gradient is taken."""
        weights = [weight for weight in self.counter.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(super().training_step(batch, batch_idx), weights)
        with torch.no_grad():
            self._kept = [weight.clone() for weight in weights]
            scales = [weight.abs() if self.adaptive else torch.ones_like(weight) for weight in weights]
            scaled = [scale * gradient for scale, gradient in zip(scales, gradients, strict=True)]
            norm = torch.stack([step.norm() for step in scaled]).norm().clamp(min=1e-12)
            for weight, scale, step in zip(weights, scales, scaled, strict=True):
                weight.add_(scale * step * (self.rho / norm))
        return super().training_step(batch, batch_idx)

    def on_after_backward(self) -> None:
        """Restores the weights, with the gradient at the worst ones nearby."""
        weights = [weight for weight in self.counter.parameters() if weight.requires_grad]
        with torch.no_grad():
            for weight, kept in zip(weights, self._kept, strict=True):
                weight.copy_(kept)
        self._kept = []
