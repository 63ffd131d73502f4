"""What the pages of an operator's verbs share: how they are rendered, and how pictures get into them."""

import io
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from PIL import Image
from torch import Tensor
from torch.nn import functional

from countguard import __version__
from countguard.reports.data_uri import data_uri

WIDEST = 420
"""Pixels across a picture on a page."""


def page_from(template: str, **values: Any) -> bytes:
    """A page as HTML: no script, nothing from the network, every text escaped; `version` is countguard's."""
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("countguard.operate", "templates"), PackageLoader("countguard.reports", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(version=__version__, **values)
    return page.encode("utf-8", errors="backslashreplace")


def source_of(picture: Tensor, *, lossless: bool = False) -> str:
    """A picture uint8 [3, H, W] as an image's source, reduced where it is wider than a page shows it."""
    if picture.shape[-1] > WIDEST:
        size = (max(1, round(picture.shape[-2] * WIDEST / picture.shape[-1])), WIDEST)
        reduced = functional.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0]
        picture = reduced.round().clamp(0, 255).to(picture.dtype)
    file = io.BytesIO()
    drawn = Image.fromarray(np.moveaxis(picture.numpy(), 0, -1))
    if lossless:
        drawn.save(file, format="PNG")
        return data_uri(file.getvalue(), "image/png")
    drawn.save(file, format="JPEG", quality=90)
    return data_uri(file.getvalue(), "image/jpeg")
