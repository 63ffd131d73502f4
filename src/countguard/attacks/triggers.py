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


_WHOLE = 1 << 16
"""Shares are counted in 1/65536: a sum of integers is the same on every device, where halves of floats are not."""
_SIZES = 64
"""Pictures that one trigger keeps."""


class _Pictures(dict[tuple[int, int], Tensor]):
    """Pictures by their size. Equal to any other: what a trigger has drawn so far is no part of what it is."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pictures)


class Blend(Trigger):
    """Mixes a picture into the whole image (Chen et al., 2017; paper, section 3.2, trigger injection).

    Attributes:
        picture: name of a built-in picture, or a file of one's own; resized to the image.
        alpha: the trigger's share: (1 - alpha) * image + alpha * picture, rounded to uint8.
    """

    kind: Literal["blend"] = "blend"
    picture: str = "kitten"
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.1
    _pictures: _Pictures = PrivateAttr(default_factory=_Pictures)

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The blended image and the same points."""
        return self.blend(image), points

    def mark(self, images: Tensor, crowds: Sequence[Crowd], seed: int) -> Tensor:
        """The whole batch at once, on its device."""
        return self.blend(images)

    def blend(self, images: Tensor) -> Tensor:
        """Images uint8 [..., 3, H, W] on any device, to the blended ones."""
        picture = self.picture_for(int(images.shape[-2]), int(images.shape[-1])).to(images.device)
        change = (picture.int() - images).mul_(round(self.alpha * _WHOLE))
        return change.add_(_WHOLE // 2).bitwise_right_shift_(16).add_(images).to(torch.uint8)

    def with_share(self, share: float) -> "Blend":
        """The same picture at another alpha."""
        return self.model_copy(update={"alpha": share})

    def picture_for(self, height: int, width: int) -> Tensor:
        """The picture at this size, drawn or read once for each size."""
        size = (height, width)
        picture = self._pictures.get(size)
        if picture is None:
            picture = load_picture(self.picture, height, width)
            if len(self._pictures) < _SIZES:
                self._pictures[size] = picture
        return picture


AnyTrigger: TypeAlias = Blend
