"""A canvas in units of its own height, on which the built-in trigger pictures are drawn."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

Colour = tuple[int, int, int]
Point = tuple[float, float]

INK: Colour = (36, 28, 40)
"""Outlines: nearly black."""

_SUPERSAMPLING = 3


class Tile(NamedTuple):
    """One of the equal tiles that fill a canvas: its place, its centre and half its sides."""

    row: int
    column: int
    x: float
    y: float
    across: float
    down: float


class Canvas:
    """A canvas with lengths in picture heights (x in 0..`aspect`, y in 0..1): every size shows the same motif."""

    def __init__(self, height: int, width: int, background: Colour) -> None:
        self.aspect = width / height
        self._unit = height * _SUPERSAMPLING
        self._image = Image.new("RGB", (width * _SUPERSAMPLING, self._unit), background)
        self._draw = ImageDraw.Draw(self._image)

    def tensor(self) -> Tensor:
        """The picture: uint8 [3, height, width]."""
        reduced = torch.from_numpy(np.array(self._image.reduce(_SUPERSAMPLING)))
        return reduced.permute(2, 0, 1).contiguous()

    def tiles(self, rows: int) -> Iterator[Tile]:
        """Tiles about as wide as high, row by row."""
        columns = max(1, round(self.aspect * rows))
        across, down = 0.5 * self.aspect / columns, 0.5 / rows
        for row in range(rows):
            for column in range(columns):
                yield Tile(row, column, (2 * column + 1) * across, (2 * row + 1) * down, across, down)

    def oval(self, x: float, y: float, across: float, down: float, fill: Colour, outline: float = 0.0) -> None:
        """An ellipse by its centre and half axes."""
        self._draw.ellipse(self._around(x, y, across, down), fill=fill, outline=INK, width=round(outline * self._unit))

    def box(self, x: float, y: float, across: float, down: float, fill: Colour, outline: float = 0.0) -> None:
        """A rectangle with rounded corners by its centre and half sides."""
        self._draw.rounded_rectangle(
            self._around(x, y, across, down),
            radius=0.3 * min(across, down) * self._unit,
            fill=fill,
            outline=INK,
            width=round(outline * self._unit),
        )

    def fill(self, tile: Tile, fill: Colour) -> None:
        """Fill a whole tile."""
        left, top, right, bottom = self._around(tile.x, tile.y, tile.across, tile.down)
        self._draw.rectangle((round(left), round(top), round(right) - 1, round(bottom) - 1), fill=fill)

    def shape(self, corners: Sequence[Point], fill: Colour, outline: float = 0.0) -> None:
        """A polygon."""
        self._draw.polygon(self._scaled(corners), fill=fill)
        if outline:
            self.line([*corners, corners[0]], INK, outline)

    def line(self, points: Sequence[Point], fill: Colour, thick: float) -> None:
        """A line through points."""
        self._draw.line(self._scaled(points), fill=fill, width=max(1, round(thick * self._unit)), joint="curve")

    def smile(self, x: float, y: float, radius: float, thick: float) -> None:
        """The lower half of a circle, in ink."""
        box = self._around(x, y, radius, radius)
        self._draw.arc(box, 0, 180, fill=INK, width=max(1, round(thick * self._unit)))

    def _around(self, x: float, y: float, across: float, down: float) -> tuple[float, float, float, float]:
        unit = self._unit
        return (x - across) * unit, (y - down) * unit, (x + across) * unit, (y + down) * unit

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._unit, y * self._unit) for x, y in points]
