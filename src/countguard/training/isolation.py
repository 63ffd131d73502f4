"""Isolation by loss: images whose labels an early counter contradicts are left out of the rest of a training."""

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field, PositiveInt

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.settings import Settings

if TYPE_CHECKING:  # models take seconds to import, and a recipe names only the settings
    from countguard.models.counter import Counter

_log = logging.getLogger(__name__)


class Isolation(Settings):
    """Leaves the images with the largest losses of the first epochs out of the rest of a training.

    Anti-backdoor learning (Li et al., NeurIPS 2021) isolates images by their losses in the first epochs, the lowest,
    because a classifier learns a trigger before anything else. A counter does not: it counts triggered images as it
    counts others at first, so that altered labels have the highest losses (docs/defenses.md has the measurement). Each
    loss is divided by the number of labelled heads, at least 1, since losses grow with the count. What is isolated
    before it is learned needs no unlearning.

    Attributes:
        after: epochs before the losses are taken.
        fraction: of the training images, rounded up, that are left out. It should be larger than the fraction that may
            be poisoned; a clean set loses as many images.
    """

    after: PositiveInt = 3
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15

    def isolated(self, counter: "Counter", crowds: Sequence[Crowd]) -> list[int]:
        """Positions of the crowds to leave out, ascending; of equal losses, the earlier ones.

        Raises:
            InputError: none would be left.
        """
        number = math.ceil(self.fraction * len(crowds))
        if number >= len(crowds):
            raise InputError(
                f"training.isolate.fraction: {self.fraction:g} of {len(crowds)} training images leave none to train on"
            )
        losses = losses_over_count(counter, crowds)
        found = sorted(sorted(range(len(crowds)), key=lambda place: -losses[place])[:number])
        names = ", ".join(crowds[place].id for place in found)
        _log.info("isolated %d of %d training images by their loss: %s", number, len(crowds), names)
        return found


def losses_over_count(counter: "Counter", crowds: Sequence[Crowd]) -> list[float]:
    """The counter's loss on each crowd, over the number of its heads, at least 1; infinite where it is not finite.

    Args:
        counter: on any device; its mode is as before afterwards.
        crowds: with the labels that are trained on.
    """
    device, training = next(counter.parameters()).device, counter.training
    counter.eval()
    losses = []
    try:
        with torch.no_grad():
            for crowd in crowds:
                image = crowd.image.unsqueeze(0).to(device)
                loss = float(counter.loss(image, [crowd.points.to(device)], kernels=[crowd.kernel]))
                losses.append(loss / max(1, crowd.count) if math.isfinite(loss) else math.inf)
    finally:
        counter.train(training)
    return losses
