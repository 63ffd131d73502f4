"""One picture of a crowd and where its heads are: the only label in countguard."""

from dataclasses import dataclass

from torch import Tensor

from countguard.data.kernels import Kernel


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """A picture with its head points.

    Attributes:
        image: uint8 [3, H, W], RGB.
        points: float32 [heads, 2], x then y, continuous pixels: pixel i covers [i, i + 1).
        id: unique in its data set; a file's stem where there is a file.
        kernel: how this image's heads become a density, as its data set asks for it; None leaves the choice to
            the counter.
    """

    image: Tensor
    points: Tensor
    id: str
    kernel: Kernel | None = None

    @property
    def count(self) -> int:
        """Number of heads."""
        return len(self.points)

    @property
    def height(self) -> int:
        """Height, pixels."""
        return int(self.image.shape[-2])

    @property
    def width(self) -> int:
        """Width, pixels."""
        return int(self.image.shape[-1])
