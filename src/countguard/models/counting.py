"""Counting many crowds: grouped by size, on the counter's device."""

import ctypes
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.models.counter import Counter

PIXELS_A_BATCH = {"cpu": 1 << 18, "cuda": 1 << 23}
"""Images of one size are counted together up to this many pixels, which suits a CPU's cache and a GPU's memory."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of malloc.h."""
WHOLE = 1 << 24
"""Pixels of an image above which it is not turned into numbers of four bytes as a whole."""


def count_crowds(counter: Counter, crowds: Sequence[Crowd]) -> Tensor:
    """Number of people in each crowd: float32 [len(crowds)] on the CPU. Each crowd is read once and not kept."""
    return count_views(counter, crowds, [lambda images, members: images])[0]


def count_views(
    counter: Counter, crowds: Sequence[Crowd], views: Sequence[Callable[[Tensor, list[Crowd]], Tensor]]
) -> Tensor:
    """Counts several versions of each crowd, which is read once: float32 [views, len(crowds)] on the CPU.

    Args:
        counter: on any device.
        crowds: of any sizes.
        views: each gets the images of a batch, uint8 [B, 3, H, W] on the counter's device, and their crowds, and gives
            the images to count instead.
    """
    device = counter.mean.device
    if device.type == "cpu":
        keep_freed_memory()
    # small results kept between large ones would break the heap into pieces that never go back to the system
    counts = torch.zeros(len(views), len(crowds), device=device)
    done = 0
    for members in batches_of_one_size(crowds, PIXELS_A_BATCH.get(device.type, 1 << 20)):
        images = torch.stack([crowd.image for crowd in members]).to(device)
        for row, view in zip(counts, views, strict=True):
            row[done : done + len(members)] = counter.count(as_input(view(images, members)))
        done += len(members)
    return counts.cpu()


def keep_freed_memory() -> None:
    """Makes glibc, if it is used, keep up to 64 MiB of freed memory.

    Otherwise the memory of each batch is returned to the system and has to be cleared again page by page, which takes a
    third of the time of a light counter, and a sixth of its training. glibc adapts to the size of a block that is
    freed, up to 32 MiB.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def keep_large_blocks() -> None:
    """Makes glibc, if it is used, keep freed memory of any size until this process ends.

    A network's maps are larger than what `keep_freed_memory` reaches: at 768 x 1024 a MCNN spends nearly half of its
    time on memory that the system takes back and clears. For processes that count and then end; no count changes.
    """
    for option, size in ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1)):
        _glibc("mallopt", option, size)


def give_back_memory() -> None:
    """Makes glibc, if it is used, return all freed memory to the system, as after a very large picture."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *arguments: int) -> None:
    try:
        getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)
    except (OSError, AttributeError):  # another system, or another C library
        return


def as_input(images: Tensor) -> Tensor:
    """Images uint8 [B, 3, H, W] to 0..1 in the memory layout that convolutions like.

    Those of more than `WHOLE` pixels stay as they are: they are counted in tiles, each of which is converted by itself.
    """
    if images.shape[-2] * images.shape[-1] > WHOLE:
        return images
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


def batches_of_one_size(crowds: Sequence[Crowd], pixels: int) -> Iterator[list[Crowd]]:
    """Groups of neighbours of one size, in order, up to a number of pixels; a larger image is alone."""
    members: list[Crowd] = []
    for index in range(len(crowds)):
        crowd = crowds[index]
        full = members and (len(members) + 1) * crowd.height * crowd.width > pixels
        if full or (members and members[0].image.shape != crowd.image.shape):
            yield members
            members = []
        members.append(crowd)
    if members:
        yield members
