"""Images and maps as PNG data inside the page, so that nothing has to be downloaded."""

import io

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from countguard.explain.panels import CAM_COLOURS, DENSITY_COLOURS
from countguard.explain.view import View
from countguard.reports.data_uri import data_uri

LONGEST_SIDE = 512
"""Pixels; larger pictures are reduced to this, the width of a column of the page."""


def image_data(image: Tensor) -> str:
    """An image uint8 [3, H, W] as a data URI."""
    return _data(_shrunk(image).permute(1, 2, 0).numpy())


def density_data(view: View, top: float) -> str:
    """A density map as a data URI: black for no people, brightest at `top` people per map cell."""
    height, width = _size(view.cam)
    rows = torch.arange(height) * view.cam.shape[0] // height // view.stride
    columns = torch.arange(width) * view.cam.shape[1] // width // view.stride
    cells = view.density[rows][:, columns]
    return _data(_coloured(cells / max(top, 1e-6), DENSITY_COLOURS))


def cam_data(view: View, image: Tensor) -> str:
    """Grad-CAM over the image it belongs to, uint8 [3, H, W], as a data URI."""
    cam = transforms.resize(view.cam[None], list(_size(view.cam)))[0]
    gray = _shrunk(image).float().mean(dim=0).numpy()[..., None]
    return _data((0.25 * gray + 0.75 * _coloured(cam, CAM_COLOURS)).astype(np.uint8))


def scale_stops(steps: int = 9) -> str:
    """The colours of a density map as the stops of a CSS gradient."""
    colours = _coloured(torch.linspace(0, 1, steps)[None], DENSITY_COLOURS)[0]
    return ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colours.tolist())


def _coloured(values: Tensor, colours: str) -> NDArray[np.uint8]:
    coloured: NDArray[np.uint8] = mpl.colormaps[colours](values.numpy(), bytes=True)[..., :3]
    return coloured


def _size(picture: Tensor) -> tuple[int, int]:
    height, width = int(picture.shape[-2]), int(picture.shape[-1])
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _shrunk(image: Tensor) -> Tensor:
    shrunk: Tensor = transforms.resize(image, list(_size(image)), antialias=True)
    return shrunk


def _data(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    return data_uri(buffer.getvalue(), "image/png")
