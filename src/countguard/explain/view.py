"""One picture as one counter sees it."""

from dataclasses import dataclass

from torch import Tensor

from countguard.errors import InputError
from countguard.explain.density import people_per_cell
from countguard.explain.grad_cam import density_with_grad_cam, grad_cam
from countguard.models.counter import Counter

MAX_PIXELS = 4_000_000
"""Grad-CAM needs the whole picture at once: a CSRNet takes about 2 GB for this many."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A count with its density map and Grad-CAM.

    Attributes:
        count: number of people.
        density: float32 [h, w], people per map cell; its sum is the count.
        stride: side of a map cell, pixels; the last map cells may extend past the image.
        cam: float32 [H, W] in 0..1, Grad-CAM of the count.
    """

    count: float
    density: Tensor
    stride: int
    cam: Tensor


def look_at(counter: Counter, image: Tensor) -> View:
    """Counts and explains an image uint8 [3, H, W], preferably of at most `MAX_PIXELS`. The counter does not change.

    Raises:
        InputError: the counter gives no finite number.
    """
    if max(image.shape[-2:]) <= counter.tile:
        density, cam = density_with_grad_cam(counter, image)
    else:
        density, cam = people_per_cell(counter, image), grad_cam(counter, image)
    if not (density.isfinite().all() and cam.isfinite().all()):
        raise InputError("the counter gives no finite number of people; its weights or settings are damaged")
    return View(float(density.sum()), density.cpu(), counter.stride, cam.cpu())
