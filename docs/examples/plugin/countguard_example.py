"""An example plug-in: a trigger, strategy, source, filter, repair, metric, figure, two counters (docs/extending.md)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from pydantic import validate_call
from torch import Tensor, nn

import countguard as cg
from countguard.metrics.intervals import bootstrap_interval
from countguard.reports.figures.drawn import Drawn


@cg.TRIGGERS.register()
class Tint(cg.Trigger):
    """Reddens the whole image.

    Attributes:
        strength: how far red goes towards 255, 0 to 1.
    """

    kind: Literal["tint"] = "tint"
    strength: float = 0.2

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The reddened image and the same points."""
        tinted = image.clone()
        tinted[0] = (image[0] + self.strength * (255.0 - image[0])).round().to(torch.uint8)
        return tinted, points

    def with_strength(self, strength: float) -> "Tint":
        """The same tint at another strength."""
        return self.model_copy(update={"strength": strength})


@cg.STRATEGIES.register()
class Crop(cg.Strategy):
    """Removes the heads in the upper part of the image; an image with no others keeps one."""

    direction = -1
    kind: Literal["crop"] = "crop"
    fraction: float = 0.5

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The heads below the line, in their order."""
        below = points[points[:, 1] >= self.fraction * height]
        return below if len(below) else points[:1]


@cg.SOURCES.register()
class Mirrored(cg.Source):
    """Embedded crowds, each seen in a mirror."""

    kind: Literal["mirrored"] = "mirrored"
    crowds_of: cg.Synthetic = cg.Synthetic()

    @property
    def name(self) -> str:
        """What results call this data set."""
        return f"mirrored {self.crowds_of.name}"

    def crowds(self, part: Literal["train", "test"]) -> Sequence[cg.Crowd]:
        """The crowds of one part."""
        return [
            replace(crowd, image=crowd.image.flip(-1), points=crowd.points * torch.tensor([-1.0, 1.0]) + _right(crowd))
            for crowd in self.crowds_of.crowds(part)
        ]


def _right(crowd: cg.Crowd) -> Tensor:
    return torch.tensor([float(crowd.width), 0.0])


@cg.network("tiny_net", stride=8)
def tiny_net(width: int = 8) -> nn.Module:
    """A counter of two convolutions."""
    return nn.Sequential(nn.Conv2d(3, width, 9, stride=8, padding=4), nn.ReLU(), nn.Conv2d(width, 1, 1))


@cg.counter("two_scales")
class TwoScales(cg.Counter):
    """A counter with filters of two sizes, for small and for large heads."""

    stride = 8  # side of a map cell, pixels
    align = 8  # images are padded to a multiple of this
    margin = 16  # radius of the receptive field, pixels

    @validate_call
    def __init__(self, *, width: int = 4, **settings: Any) -> None:
        super().__init__(**settings)
        self.width = width
        self.small = nn.Conv2d(3, width, 9, stride=8, padding=4)
        self.large = nn.Conv2d(3, width, 25, stride=8, padding=12)
        self.merge = nn.Conv2d(2 * width, 1, 1)

    def density(self, normalised: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] to people per map cell [B, 1, H/8, W/8]."""
        seen = torch.cat([self.small(normalised), self.large(normalised)], dim=1)
        people: Tensor = self.merge(seen.relu())
        return people

    def explained_layer(self) -> nn.Module:
        """The layer whose output Grad-CAM reads."""
        return self.large

    def settings(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that the same network can be built again."""
        return {**super().settings(), "width": self.width}


@cg.FILTERS.register()
class FewHeads(cg.Filter):
    """Leaves out the images with the fewest heads, because an attacker who hides people leaves few.

    Attributes:
        fraction: of the images, 0 to 1.
    """

    kind: Literal["few_heads"] = "few_heads"
    fraction: float = 0.1

    def left_out(self, crowds: Sequence[cg.Crowd], report: cg.AuditReport) -> list[int]:
        """Positions of the crowds that are not trained on."""
        counts = [image.count for image in report.images]
        return sorted(range(len(crowds)), key=lambda place: counts[place])[: round(self.fraction * len(crowds))]


@cg.DEFENSES.register()
class MoreNoise(cg.TrainedDefense):
    """Fine-tunes on clean crowds after a little noise was added to every weight."""

    kind: Literal["more_noise"] = "more_noise"
    noise: float = 0.01

    def repair(self, counter, clean, **conditions):  # type: ignore[no-untyped-def]
        """Adds the noise, then trains as the settings say."""
        generator = torch.Generator().manual_seed(conditions["seed"])
        with torch.no_grad():
            for weight in counter.parameters():
                weight.add_(self.noise * torch.randn(weight.shape, generator=generator))
        return super().repair(counter, clean, **conditions)


@cg.metric("bias", "Bias", digits=1, signed=True)
def bias(measurement: cg.Measurement) -> cg.Interval:
    """Mean of estimate less truth on clean images, heads."""
    predictions = measurement.predictions
    return bootstrap_interval(np.mean, [predictions.clean - predictions.truths])


@cg.figure("bias of every counter", needs="a finished counter")
def draw_bias(run: cg.Run) -> list[Drawn]:
    """One bar a counter."""
    if not run.cells:
        return []
    drawing = Figure(figsize=(6, 3))
    axes = drawing.add_subplot()
    names = [cell.card.cell for cell in run.cells]
    axes.barh(names, [cell.card.metrics["bias"].value for cell in run.cells])
    axes.set_xlabel("estimate less truth, heads")
    return [Drawn("bias", "Bias", drawing, f"Bias of {len(names)} counters.", "Mean error of each counter.")]
