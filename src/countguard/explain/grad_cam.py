"""Grad-CAM of a count (Selvaraju et al., ICCV 2017): the positions of the features that the estimate depends on."""

from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional

from countguard.errors import InputError
from countguard.explain.evaluation_mode import evaluation_mode
from countguard.models.counter import Counter
from countguard.models.counting import as_input

Region = tuple[int, int, int, int]
"""Top, left, height and width, pixels of the image."""


def grad_cam(
    counter: Counter, image: Tensor, *, region: Region | None = None, layer: nn.Module | None = None
) -> Tensor:
    """Grad-CAM of the number of people in an image, or in a region of it.

    The default layer is the end of the counter's front end. At the last feature layer before a linear 1x1 output the
    gradient of the count is the same everywhere, and Grad-CAM is ReLU(density - bias), whatever the region.

    Args:
        counter: on any device. Its modes, gradients and hooks are left as they were.
        image: uint8 [3, H, W], or float [3, H, W] in 0..1.
        region: only the people in the map cells that it touches are explained; the whole image by default.
        layer: whose activations are weighted; `counter.explained_layer()` by default. Its output must be a map
            [1, C, h, w] that divides the padded image into map cells.

    Returns:
        float32 [H, W] in 0..1 on the image's device: 1 at the maximum, 0 where no feature raises the count.
        Values in the padding are cut off before scaling.

    Raises:
        InputError: the region is not inside the image, or holds no pixel.
    """
    return _maps(counter, image, region, layer)[1]


def density_with_grad_cam(counter: Counter, image: Tensor) -> tuple[Tensor, Tensor]:
    """Density map [ceil(H/stride), ceil(W/stride)] and Grad-CAM [H, W] from one forward pass."""
    return _maps(counter, image, None, None)


def _maps(counter: Counter, image: Tensor, region: Region | None, layer: nn.Module | None) -> tuple[Tensor, Tensor]:
    height, width = image.shape[-2:]
    rows, columns = _cells(region or (0, 0, height, width), height, width, counter.stride)
    batch = image.unsqueeze(0).to(counter.mean.device)
    batch = batch.float() if batch.is_floating_point() else as_input(batch)
    densities: list[Tensor] = []

    def people(images: Tensor) -> Tensor:
        density: Tensor = counter(images)
        densities.append(density.detach())
        return density[..., rows, columns].sum(dim=(1, 2, 3))

    with evaluation_mode(counter):
        method = LayerGradCam(people, layer if layer is not None else counter.explained_layer())
        attributed: Tensor = method.attribute(batch, relu_attributions=True)
        padded_height, padded_width = counter.normalise(batch).shape[-2:]
    cam = _at_image_size(attributed.detach(), height, width, padded_height, padded_width)
    peak = cam.max()
    return densities[-1][0, 0].float().to(image.device), (cam / peak if peak > 0 else cam).to(image.device)


def _at_image_size(cam: Tensor, height: int, width: int, padded_height: int, padded_width: int) -> Tensor:
    """A map of the padded image, [1, 1, h, w], resized to the image's [height, width].

    Map cells that are only padding are removed first, because bilinear resizing would spread them over the border.
    """
    cell_height, cell_width = padded_height / cam.shape[-2], padded_width / cam.shape[-1]
    rows = -(-height * cam.shape[-2] // padded_height)
    columns = -(-width * cam.shape[-1] // padded_width)
    size = (round(rows * cell_height), round(columns * cell_width))
    resized = functional.interpolate(cam.float()[..., :rows, :columns], size=size, mode="bilinear", align_corners=False)
    return resized[0, 0, :height, :width]


def _cells(region: Region, height: int, width: int, stride: int) -> tuple[slice, slice]:
    top, left, tall, wide = region
    if min(top, left) < 0 or min(tall, wide) < 1 or top + tall > height or left + wide > width:
        raise InputError(
            f"region: top, left, height, width {region} must hold a pixel and lie in the image of {height} x {width}"
        )
    return slice(top // stride, -(-(top + tall) // stride)), slice(left // stride, -(-(left + wide) // stride))
