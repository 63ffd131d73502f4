"""Fine-tuning with random blends: the counter learns to see through whatever is mixed into a picture."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from countguard.data.blending import Blending
from countguard.data.cutmix import CutMix
from countguard.data.scale_jitter import ScaleJitter
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.training.schedules import AnySchedule, Cosine
from countguard.training.settings import Training

VIEWS = 4_000
"""Pictures that the recommended repair looks at, however many clean images there are to draw them from: what CSRNet was
seen to need on real crowds."""
LIGHT_VIEWS, LIGHT_RATE = 20_000, 3e-3
"""The same for the light counter, whose pictures cost little, and its rate of learning (docs/defenses.md)."""


@DEFENSES.register()
class RandomBlend(TrainedDefense):
    """Fine-tunes on clean crowds most of which have an unrelated picture mixed in and keep their true points.

    Made for this project. A blended trigger wakes the backdoor because the counter never saw a mixed picture with true
    points; this shows it many, and none of them is the trigger. Few clean images are soon learned by heart, which costs
    accuracy on all others: strips of other crowds and changes of scale make new crowds out of them, heads and all.

    The defaults are what is recommended for a CSRNet and forty clean images; `recommended` has those for others.

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
    schedule: AnySchedule = Cosine()
    average: Annotated[float, Field(gt=0, lt=1)] | None = 0.98  # a short one: a repair has few steps

    @classmethod
    def recommended(cls, kind: str, images: int) -> dict[str, JsonValue]:
        """The settings for a kind of counter and so many clean images, as a recipe writes them."""
        light = kind == "lite"
        epochs = max(1, round((LIGHT_VIEWS if light else VIEWS) / images))
        settings: dict[str, JsonValue] = {"kind": "random_blend", "epochs": epochs, "average": 0.98}
        return settings | ({"lr": LIGHT_RATE} if light else {})

    def as_training(self) -> Training:
        """The settings, with `blend`, `cutmix` and `scale` in place of what the augmentation says of them."""
        own = {"blend": self.blend, "cutmix": self.cutmix, "scale": self.scale}
        return self.model_copy(update={"augmentation": self.augmentation.model_copy(update=own)})
