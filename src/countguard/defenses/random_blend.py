"""Fine-tuning with random blends: the counter learns to see through whatever is mixed into a picture."""

from typing import Literal

from countguard.data.blending import Blending
from countguard.defenses.defense import TrainedDefense
from countguard.training.settings import Training


class RandomBlend(TrainedDefense):
    """Fine-tunes on clean crowds most of which have an unrelated picture mixed in and keep their true points.

    Made for this project. A blended trigger wakes the backdoor because the counter never saw a mixed picture with true
    points; this shows it many, and none of them is the trigger.

    Attributes:
        blend: how often, how much and what is mixed in.
    """

    kind: Literal["random_blend"] = "random_blend"
    blend: Blending = Blending()

    def as_training(self) -> Training:
        """The settings, with `blend` in place of what the augmentation says of it."""
        return self.model_copy(update={"augmentation": self.augmentation.model_copy(update={"blend": self.blend})})
