"""Unlearning of universal perturbations: find the pattern that moves all counts, and learn to ignore it."""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from countguard.data.loading import Batch
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.training.module import CounterModule
from countguard.training.settings import Training


@DEFENSES.register()
class Unlearning(TrainedDefense):
    """Adversarial unlearning (I-BAU; Zeng et al., 2022): min over weights, max over universal perturbations.

    There are two perturbations, one that raises the counts of all images and one that lowers them, because an attack
    may do either. Each step updates them by sign ascent on the relative count, then trains on the images with and
    without them and their true points. The second term of the hypergradient is left out, since the perturbations are
    updated along with the weights in every step.

    Attributes:
        radius: largest change of a pixel, 0..1.
        ascent_steps: of the perturbations, before each step of the weights.
        side: rows and columns of a perturbation, which is stretched over each image.
    """

    kind: Literal["unlearning"] = "unlearning"
    radius: Annotated[float, Field(gt=0, le=1)] = 0.1
    ascent_steps: PositiveInt = 1
    side: Annotated[int, Field(ge=2, le=2048)] = 96

    def module(self, counter: Counter, training: Training, steps_per_epoch: int, seed: int) -> CounterModule:
        """A step of both: the perturbations, then the weights."""
        return _Unlearned(counter, training, steps_per_epoch, seed, self)


class _Unlearned(CounterModule):
    compiles = False

    perturbations: Tensor

    def __init__(
        self, counter: Counter, training: Training, steps_per_epoch: int, seed: int, defense: Unlearning
    ) -> None:
        super().__init__(counter, training, steps_per_epoch, seed)
        self.defense = defense
        self.register_buffer("perturbations", torch.zeros(2, 3, defense.side, defense.side))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss on the images as they are, with the raising and with the lowering perturbation."""
        images = as_input(batch.images)
        truths = torch.tensor([float(max(1, len(heads))) for heads in batch.points], device=images.device)
        for place, sign in enumerate((1.0, -1.0)):
            for _ in range(self.defense.ascent_steps):
                self._ascend(images, truths, place, sign)
        loss = super().training_step(batch, batch_idx)
        for pattern in self.perturbations:
            marked = _marked(images, pattern)
            loss = loss + self.loss(marked, batch)
        return loss / (1 + len(self.perturbations))

    def _ascend(self, images: Tensor, truths: Tensor, place: int, sign: float) -> None:
        pattern = self.perturbations[place].clone().requires_grad_(True)
        density: Tensor = self.counter(_marked(images, pattern))
        counts = density.sum(dim=(1, 2, 3)) / truths
        (gradient,) = torch.autograd.grad(sign * counts.mean(), pattern)
        radius = self.defense.radius
        self.perturbations[place] = (pattern.detach() + radius / 4 * gradient.sign()).clamp(-radius, radius)


def _marked(images: Tensor, pattern: Tensor) -> Tensor:
    stretched = functional.interpolate(pattern[None], images.shape[-2:], mode="bilinear", align_corners=False)
    return (images + stretched).clamp(0, 1)
