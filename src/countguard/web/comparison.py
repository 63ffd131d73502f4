"""What the page computes: one picture, without and with a trigger, as several counters see it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from countguard.attacks.triggers import Blend
from countguard.data.images import read_image
from countguard.errors import InputError
from countguard.explain.view import MAX_PIXELS, View, look_at
from countguard.web.counter_cache import CounterCache
from countguard.web.runs import Scene
from countguard.web.uploads import named_alone

MAX_IMAGE_BYTES = 32 * 1024 * 1024
LARGEST_PICTURE = 40_000_000
"""Pixels: 8K frames are taken, and reduced to what Grad-CAM has room for."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A picture as each counter sees it.

    Attributes:
        image, triggered: uint8 [3, H, W].
        trigger: uint8 [3, H, W], the trigger's picture alone.
        truth: number of people; None if it is unknown.
        views: by the counter's name: without and with the trigger.
        note: what was done to the picture before.
    """

    image: Tensor
    triggered: Tensor
    trigger: Tensor
    truth: int | None
    views: Mapping[str, tuple[View, View]]
    note: str = ""


def compare(scene: Scene, trigger: Blend, counters: Mapping[str, Path], kept: CounterCache) -> Comparison:
    """Counts and explains a scene without and with the trigger.

    Raises:
        InputError: a counter's file or the trigger's picture is unusable; files are named without their folders.
    """
    picture = trigger.picture_for(int(scene.image.shape[-2]), int(scene.image.shape[-1]))
    triggered = trigger.blend(scene.image)
    views = {}
    for name, file in counters.items():
        with named_alone(file), kept.using(file) as counter:
            views[name] = look_at(counter, scene.image), look_at(counter, triggered)
    return Comparison(scene.image, triggered, picture, scene.truth, views, scene.note)


def read_upload(path: str) -> Tensor:
    """A visitor's picture, uint8 [3, H, W].

    Raises:
        InputError: it is not a picture, or larger than the page allows; it is named without its folder.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
    except OSError:
        raise InputError(f"{file.name}: is no longer here; drop it once more") from None
    if size > MAX_IMAGE_BYTES:
        raise InputError(f"{file.name}: larger than {MAX_IMAGE_BYTES >> 20} MB; smaller pictures are read here")
    with file.open("rb") as stream:
        return read_image(stream, name=file.name, max_pixels=LARGEST_PICTURE)


def uploaded_scene(path: str) -> Scene:
    """A visitor's picture to count, reduced to `MAX_PIXELS` where it is larger, which its note then says.

    Raises:
        InputError: see `read_upload`.
    """
    image = read_upload(path)
    height, width = int(image.shape[-2]), int(image.shape[-1])
    if height * width <= MAX_PIXELS:
        return Scene(image, None)
    scale = math.sqrt(MAX_PIXELS / (height * width))
    size = [int(height * scale), int(width * scale)]
    note = (
        f"{Path(path).name}: reduced from {width} x {height} to {size[1]} x {size[0]} pixels, since Grad-CAM needs the "
        "whole picture at once. The tab Count counts it at its full size."
    )
    return Scene(transforms.resize(image, size, antialias=True), None, note)
