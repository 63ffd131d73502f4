"""The base class of triggers: a change of a picture that activates the backdoor."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.registry import Registry, settings_below
from countguard.seeds import generator_for
from countguard.settings import Settings


class Trigger(Settings):
    """Puts the trigger on an image: (image, points, generator) to (image, points).

    Most triggers return the points as they are; a trigger that moves the picture's content moves them along.
    """

    @abstractmethod
    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Image uint8 [3, H, W] and points float32 [heads, 2] with the trigger; same types, same size."""

    def mark(self, images: Tensor, crowds: Sequence[Crowd], seed: int) -> Tensor:
        """The images of a batch of crowds, uint8 [B, 3, H, W] on any device, with the trigger.

        Each image is what `__call__` gives with a generator from `seed` and the crowd's id.
        """
        marked = [
            self(image, crowd.points, generator_for(seed, "trigger", crowd.id))[0]
            for image, crowd in zip(images, crowds, strict=True)
        ]
        return torch.stack(marked)

    @abstractmethod
    def with_strength(self, strength: float) -> "Trigger":
        """The same trigger at another strength in 0..1, where 0 leaves the image as it is."""

    def picture_for(self, height: int, width: int) -> Tensor | None:
        """The trigger's picture alone, uint8 [3, height, width], for figures; None if it has none."""
        return None


TRIGGERS: Registry[type[Trigger]] = Registry("trigger", settings_below(Trigger))
"""Every kind of trigger; `@TRIGGERS.register()` enters one."""
