"""What an attacker does to the pictures: the pattern that wakes the backdoor."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import Field, PrivateAttr
from torch import Tensor

from countguard.attacks.pictures import load_picture
from countguard.data.crowd import Crowd
from countguard.seeds import generator_for
from countguard.settings import Settings


class Trigger(Settings):
    """Marks an image: (image, points, generator) to (image, points).

    Most triggers return the points as they are; one that moves the picture's content moves them along.
    """

    @abstractmethod
    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Image uint8 [3, H, W] and points float32 [heads, 2] to the marked ones, same types, same size."""

    def mark(self, images: Tensor, crowds: Sequence[Crowd], seed: int) -> Tensor:
        """A batch of crowds' images, uint8 [B, 3, H, W] on any device, to the marked ones.

        An image is marked as `__call__` marks it with the generator that `seed` and the crowd's id give.
        """
        marked = [
            self(image, crowd.points, generator_for(seed, "trigger", crowd.id))[0]
            for image, crowd in zip(images, crowds, strict=True)
        ]
        return torch.stack(marked)

    @abstractmethod
    def with_share(self, share: float) -> "Trigger":
        """The same trigger at another strength in 0..1, where 0 leaves the image as it is."""

    def picture_for(self, height: int, width: int) -> Tensor | None:
        """The pattern alone, uint8 [3, height, width], for figures; None where there is no such picture."""
        return None


class Blend(Trigger):
    """Mixes a picture into the whole image (Chen et al., 2017; paper, section 3.2, trigger injection).

    Attributes:
        picture: name of a built-in picture, or a file of one's own; resized to the image.
        alpha: the trigger's share: (1 - alpha) * image + alpha * picture, rounded to uint8.
    """

    kind: Literal["blend"] = "blend"
    picture: str = "kitten"
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.1
    _pictures: dict[tuple[int, int], Tensor] = PrivateAttr(default_factory=dict)

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The blended image and the same points."""
        return self.blend(image), points

    def mark(self, images: Tensor, crowds: Sequence[Crowd], seed: int) -> Tensor:
        """The whole batch at once, on its device."""
        return self.blend(images)

    def blend(self, images: Tensor) -> Tensor:
        """Images uint8 [..., 3, H, W] on any device, to the blended ones."""
        picture = self.picture_for(int(images.shape[-2]), int(images.shape[-1])).to(images.device)
        return torch.lerp(images.float(), picture.float(), self.alpha).round_().to(torch.uint8)

    def with_share(self, share: float) -> "Blend":
        """The same picture at another alpha."""
        return self.model_copy(update={"alpha": share})

    def picture_for(self, height: int, width: int) -> Tensor:
        """The picture at this size, drawn or read once for each size."""
        size = (height, width)
        if size not in self._pictures:
            self._pictures[size] = load_picture(self.picture, height, width)
        return self._pictures[size]


AnyTrigger: TypeAlias = Blend
