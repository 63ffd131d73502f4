"""The shapes of annotation tools, each with its class, and the head that it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass

from countguard.data.formats.objects import Place, box_point


@dataclass(frozen=True, slots=True)
class Shape:
    """One labelled object: a point where left and right, top and bottom are the same, and a box otherwise.

    Attributes:
        label: its class; empty where it has none.
        left, top, right, bottom: pixels, or fractions of the picture's sides.
    """

    label: str
    left: float
    top: float
    right: float
    bottom: float

    def point(self, place: Place) -> tuple[float, float]:
        """Where the head is."""
        return box_point(self.left, self.top, self.right - self.left, self.bottom - self.top, place)


def around(label: str, corners: Sequence[tuple[float, float]]) -> Shape:
    """The shape of a point, or the box around the corners of a rectangle, polygon or line; at least one."""
    xs, ys = zip(*corners, strict=True)
    return Shape(label, min(xs), min(ys), max(xs), max(ys))
