"""Arrays of an example as pictures that matplotlib draws."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from countguard.reports.figures.style import BOX, bare
from countguard.reports.figures.window import Window
from countguard.runs.examples import Example


def as_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [3, H, W] to [H, W, 3]."""
    return np.moveaxis(image, 0, -1)


def amplified_change(example: Example, factor: float) -> NDArray[np.uint8]:
    """What the trigger does to the image, enlarged around grey: [H, W, 3]."""
    change = example.triggered.astype(np.float32) - example.image
    return as_picture((127.5 + factor * change).clip(0, 255).astype(np.uint8))


def grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [3, H, W] to lightness in 0..1, [H, W], pale enough to lie under a map."""
    lightness: NDArray[np.float32] = image.mean(axis=0, dtype=np.float32) / np.float32(255)
    return np.float32(0.35) + np.float32(0.65) * lightness


def draw_box(axes: Axes, window: Window, rows: int, columns: int, height: int, width: int) -> None:
    """A box round a window of cells, on axes whose picture is height x width pixels."""
    down, right = height / rows, width / columns
    corner = (window.left * right - 0.5, window.top * down - 0.5)
    size = (window.width * right, window.height * down)
    axes.add_patch(Rectangle(corner, *size, fill=False, ec="black", lw=3.2))
    axes.add_patch(Rectangle(corner, *size, fill=False, ec=BOX, lw=1.8))


def show_map(axes: Axes, values: NDArray[np.float32], height: int, width: int, top: float, colours: str) -> None:
    """A map of cells, stretched over the pixels of its image, 0 to `top`."""
    bare(axes)
    axes.imshow(values, extent=(-0.5, width - 0.5, height - 0.5, -0.5), vmin=0, vmax=top, cmap=colours, aspect="equal")
