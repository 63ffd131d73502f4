"""A picture mixed into the whole image, as in the paper's attack."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PrivateAttr
from torch import Tensor

from countguard.attacks.pictures import load_picture
from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.data.crowd import Crowd

_WHOLE = 1 << 16
"""Strengths are counted in 1/65536: integer sums are the same on every device, while floats round differently."""
_STRIP = 1 << 17
"""Values that the CPU blends at a time, so that intermediate results stay in its cache."""
_MUCH = 1 << 24
"""Number of values from which threads are faster."""
_SIZES = 64
"""Number of resized pictures that one trigger keeps."""


class _Pictures(dict[tuple[int, int], Tensor]):
    """Pictures by their size. All are equal to each other, because a cache is no part of a trigger's identity."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pictures)


@TRIGGERS.register()
class Blend(Trigger):
    """Mixes a picture into the whole image (Chen et al., 2017; paper, section 3.2, trigger injection).

    Attributes:
        picture: name of a built-in picture, or a file; it is resized to the image.
        alpha: strength of the trigger: (1 - alpha) * image + alpha * picture, rounded to uint8.
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

    def blend(self, images: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Images uint8 [..., 3, H, W] on any device, to the blended ones.

        Args:
            images: left as they are.
            out: contiguous, of the images' shape and type; the result is written there. It may be the images
                themselves. To allocate new memory for a whole set takes more time than to blend it.
        """
        height, width = int(images.shape[-2]), int(images.shape[-1])
        picture = self.picture_for(height, width).to(images.device)
        if images.device.type != "cpu":
            blended = mixed(images, picture, self.alpha)
            return blended if out is None else out.copy_(blended)
        out = torch.empty(images.shape, dtype=torch.uint8) if out is None else out
        pixels = picture.numel()
        _mix_in_strips(images.reshape(-1, pixels), picture.reshape(-1), weight_of(self.alpha), out.view(-1, pixels))
        return out

    def with_strength(self, strength: float) -> "Blend":
        """The same picture at another alpha."""
        return self.model_copy(update={"alpha": strength})

    def picture_for(self, height: int, width: int) -> Tensor:
        """The picture at this size, drawn or read once for each size."""
        size = (height, width)
        picture = self._pictures.get(size)
        if picture is None:
            picture = load_picture(self.picture, height, width)
            if len(self._pictures) < _SIZES:
                self._pictures[size] = picture
        return picture


def weight_of(strength: float) -> int:
    """A strength in 0..1, in units of 1/65536."""
    return round(strength * _WHOLE)


def mixed(images: Tensor, picture: Tensor, strength: float | Tensor) -> Tensor:
    """(1 - strength) * images + strength * picture, rounded: uint8 [..., 3, H, W]; a tensor has one a pixel."""
    weight = (strength * _WHOLE).round().int() if isinstance(strength, Tensor) else weight_of(strength)
    change = (picture.int() - images) * weight
    return change.add_(_WHOLE // 2).bitwise_right_shift_(16).add_(images).to(torch.uint8)


def mix_into(out: Tensor, images: Tensor, picture: Tensor, weight: int) -> None:
    """The same sum for one strength, as a single kernel where it is compiled: uint8 [B, N] images, [N] picture."""
    out.copy_(images.int() * (_WHOLE - weight) + (picture.int() * weight + _WHOLE // 2) >> 16)


def _mix_in_strips(images: Tensor, picture: Tensor, weight: int, out: Tensor) -> None:
    """`mix_into` one strip at a time, in threads if there is much to do.

    In numpy: torch would wake threads of its own for each step.
    """
    sources, pattern, results = images.numpy(), picture.numpy(), out.numpy()

    def mix_strip(start: int) -> None:
        strip = slice(start, start + _STRIP)
        from_picture = pattern[strip].astype(np.int32)  # once for all images
        from_picture *= weight
        from_picture += _WHOLE // 2
        sums = np.empty_like(from_picture)
        for image, result in zip(sources[:, strip], results[:, strip], strict=True):
            sums[:] = image
            sums *= _WHOLE - weight
            sums += from_picture
            sums >>= 16
            result[:] = sums

    starts = range(0, len(pattern), _STRIP)
    if sources.size < _MUCH:
        for start in starts:
            mix_strip(start)
    else:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(mix_strip, starts))
