"""Fine-tuning with random blends: the counter learns to ignore pictures that are mixed in."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from countguard.data.blending import Blending
from countguard.data.cutmix import CutMix
from countguard.data.scale_jitter import ScaleJitter
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.training.schedules import AnySchedule, Cosine
from countguard.training.settings import Training

VIEWS = 4_000
"""Pictures that the recommended repair trains on, for any number of clean images: what CSRNet needed on real crowds."""
LIGHT_VIEWS, LIGHT_RATE = 20_000, 3e-3
"""The same for the light counter, which trains quickly, and its learning rate (docs/defenses.md)."""


@DEFENSES.register()
class RandomBlend(TrainedDefense):
    """Fine-tunes on clean crowds. Most have an unrelated picture mixed in, and keep their true points.

    Made for this project. A blended trigger activates the backdoor because the counter has never seen a mixed picture
    with true points. This repair shows it many such pictures, none of which is the trigger. A counter soon overfits to
    few clean images, so strips of other crowds and changes of scale make new crowds out of them, with their heads.

    The defaults are recommended for a CSRNet and forty clean images; `recommended` gives those for others.

    Attributes:
        blend: how often, how much and which pictures are mixed in.
        cutmix: strips of other crowds; None for never.
        scale: how often and how much a crowd is enlarged or shrunk; None for never.
        balance: see `Training`. Above 0 because a few people decide whether a sparse image is counted right.
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
        """The settings for a kind of counter and a number of clean images, as a recipe writes them."""
        light = kind == "lite"
        epochs = max(1, round((LIGHT_VIEWS if light else VIEWS) / images))
        settings: dict[str, JsonValue] = {"kind": "random_blend", "epochs": epochs, "average": 0.98}
        return settings | ({"lr": LIGHT_RATE} if light else {})

    def as_training(self) -> Training:
        """The settings of the training, with `blend`, `cutmix` and `scale` put into the augmentation."""
        own = {"blend": self.blend, "cutmix": self.cutmix, "scale": self.scale}
        return self.model_copy(update={"augmentation": self.augmentation.model_copy(update=own)})
