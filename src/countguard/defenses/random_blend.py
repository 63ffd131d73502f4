"""Fine-tuning with random blends: the counter learns to see through whatever is mixed into a picture."""

from typing import Annotated, Literal

from pydantic import Field

from countguard.data.blending import Blending
from countguard.data.cutmix import CutMix
from countguard.data.scale_jitter import ScaleJitter
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.training.settings import Training


@DEFENSES.register()
class RandomBlend(TrainedDefense):
    """Fine-tunes on clean crowds most of which have an unrelated picture mixed in and keep their true points.

    Made for this project. A blended trigger wakes the backdoor because the counter never saw a mixed picture with true
    points; this shows it many, and none of them is the trigger. Few clean images are soon learned by heart, which costs
    accuracy on all others: strips of other crowds and changes of scale make new crowds out of them, heads and all.

    Attributes:
        blend: how often, how much and what is mixed in.
        cutmix: strips of other crowds; None for never.
        scale: how often and how much a crowd is enlarged or shrunk; None for never.
        balance: see `Training`; what sparse images count is right or wrong by few people.
    """

    kind: Literal["random_blend"] = "random_blend"
    blend: Blending = Blending()
    cutmix: CutMix | None = CutMix()
    scale: ScaleJitter | None = ScaleJitter()
    balance: Annotated[float, Field(ge=0, le=2)] = 0.5

    def as_training(self) -> Training:
        """The settings, with `blend`, `cutmix` and `scale` in place of what the augmentation says of them."""
        own = {"blend": self.blend, "cutmix": self.cutmix, "scale": self.scale}
        return self.model_copy(update={"augmentation": self.augmentation.model_copy(update=own)})
