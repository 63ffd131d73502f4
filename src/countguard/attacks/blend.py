"""A picture mixed into the whole image, as the paper's attacker does it."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, PrivateAttr
from torch import Tensor

from countguard.attacks.pictures import load_picture
from countguard.attacks.trigger import Trigger
from countguard.data.crowd import Crowd

_WHOLE = 1 << 16
"""Shares are counted in 1/65536: a sum of integers is the same on every device, where halves of floats are not."""
_STRIP = 1 << 15
"""Values that the CPU blends at a time: up to so many, torch does not wake a second thread."""
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
        height, width = int(images.shape[-2]), int(images.shape[-1])
        picture = self.picture_for(height, width).to(images.device)
        if images.device.type != "cpu":
            return mixed(images, picture, self.alpha)
        # strip by strip the integers between stay in the cache: nine times faster at 768 x 1024
        blended = torch.empty(images.shape, dtype=torch.uint8)
        rows = max(1, _STRIP // (3 * width))
        for image, result in zip(images.reshape(-1, 3, height, width), blended.view(-1, 3, height, width), strict=True):
            for top in range(0, height, rows):
                strip = slice(top, top + rows)
                result[:, strip] = mixed(image[:, strip], picture[:, strip], self.alpha)
        return blended

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


def mixed(images: Tensor, picture: Tensor, share: float | Tensor) -> Tensor:
    """(1 - share) * images + share * picture, rounded: uint8 [..., 3, H, W]; a tensor is a share in 0..1 a pixel."""
    weight = (share * _WHOLE).round().int() if isinstance(share, Tensor) else round(share * _WHOLE)
    change = (picture.int() - images) * weight
    return change.add_(_WHOLE // 2).bitwise_right_shift_(16).add_(images).to(torch.uint8)
