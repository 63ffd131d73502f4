"""Blending whole sets in memory with one compiled kernel."""

from collections.abc import Callable

import torch
from torch import Tensor

from countguard.attacks.blend import Blend, mix_into, weight_of
from countguard.errors import RunError


class CompiledBlend:
    """A blend that is nearly as fast as copying, and gives the same bits as `Blend.blend`.

    Compiling takes about ten seconds, or three if the machine has done it before. It saves time from tens of thousands
    of pictures of 768 x 1024 on.

    Args:
        trigger: what is blended in.

    Raises:
        RunError: there is no C++ compiler (the environment's CXX, or g++).
    """

    def __init__(self, trigger: Blend) -> None:
        self.trigger = trigger
        self._kernel: Callable[[Tensor, Tensor, Tensor, int], None] = torch.compile(mix_into, dynamic=True)
        images, picture = torch.zeros(2, 64, dtype=torch.uint8), torch.zeros(64, dtype=torch.uint8)
        try:
            self._kernel(torch.empty_like(images), images, picture, weight_of(trigger.alpha))
        except Exception as error:  # what a missing compiler raises depends on the system and on torch
            raise RunError(f"blend: cannot be compiled; is there a C++ compiler? ({type(error).__name__})") from error

    def __call__(self, images: Tensor, *, out: Tensor | None = None) -> Tensor:
        """See `Blend.blend`.

        Args:
            images: on the CPU.
            out: must not share memory with the images.

        Raises:
            ValueError: images and `out` share memory.
        """
        out = torch.empty(images.shape, dtype=torch.uint8) if out is None else out
        if out.untyped_storage().data_ptr() == images.untyped_storage().data_ptr():
            raise ValueError("out: should be other memory than the images; torch.compile takes wrong kernels otherwise")
        picture = self.trigger.picture_for(int(images.shape[-2]), int(images.shape[-1])).reshape(-1)
        weight = weight_of(self.trigger.alpha)
        self._kernel(out.view(-1, len(picture)), images.reshape(-1, len(picture)), picture, weight)
        return out
