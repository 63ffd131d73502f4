"""Images too large to be looked at whole, cut into tiles that overlap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of an image that is looked at, and its core, in which heads are counted; pixels, the ends not included."""

    top: int
    left: int
    bottom: int
    right: int
    core_top: int
    core_left: int
    core_bottom: int
    core_right: int

    def of(self, images: Tensor) -> Tensor:
        """This part of images [B, 3, H, W]."""
        return images[..., self.top : self.bottom, self.left : self.right]

    def cells(self, stride: int) -> tuple[slice, slice]:
        """The rows and columns of the core, in a map of this part."""
        return (
            slice((self.core_top - self.top) // stride, -(-(self.core_bottom - self.top) // stride)),
            slice((self.core_left - self.left) // stride, -(-(self.core_right - self.left) // stride)),
        )


def tiles_of(height: int, width: int, *, side: int, margin: int, align: int) -> list[list[Tile]]:
    """The tiles of an image, row by row; a single one, where no side of it is above a tile's.

    Args:
        height, width: of the image, pixels.
        side: of a tile.
        margin: around the core, rounded up to `align`.
        align: where tiles and cores start: on multiples of it.
    """
    if max(height, width) <= side:
        return [[Tile(0, 0, height, width, 0, 0, height, width)]]
    margin = -(-margin // align) * align
    core = max(align, (side - 2 * margin) // align * align)
    return [
        [
            Tile(
                max(0, top - margin),
                max(0, left - margin),
                min(height, top + core + margin),
                min(width, left + core + margin),
                top,
                left,
                min(height, top + core),
                min(width, left + core),
            )
            for left in range(0, width, core)
        ]
        for top in range(0, height, core)
    ]


def heads_in_tiles(
    images: Tensor, tiles: Sequence[Sequence[Tile]], located: Callable[[Tensor], Sequence[Tensor]]
) -> list[Tensor]:
    """Heads in images of any size, each from the tile in whose core it lies: B tensors [heads, 2], x then y.

    Args:
        images: [B, 3, H, W].
        tiles: of such images.
        located: the heads of a tile's images, B tensors [heads, 2].
    """
    found: list[list[Tensor]] = [[] for _ in images]
    last = torch.tensor([images.shape[-1], images.shape[-2]]) - 1e-3
    for tile in chain.from_iterable(tiles):
        first, end = torch.tensor([tile.core_left, tile.core_top]), torch.tensor([tile.core_right, tile.core_bottom])
        for held, heads in zip(found, located(tile.of(images)), strict=True):
            heads = heads.float().cpu() + torch.tensor([float(tile.left), float(tile.top)])
            placed = heads.clamp_min(0).minimum(last)  # what lies past the image's edge belongs to the tile at the edge
            held.append(heads[((placed >= first) & (placed < end)).all(dim=1)])
    return [torch.cat(parts) for parts in found]
