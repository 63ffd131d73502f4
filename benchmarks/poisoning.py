"""Marking a whole set in memory, beside a plain copy of the same bytes and beside the reference codes' arithmetic."""

import os
import tempfile
import time
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Row, at_least, at_most, compare, limit
from countguard.attacks.blend import Blend
from countguard.attacks.compiled import CompiledBlend
from countguard.errors import RunError

IMAGES, HEIGHT, WIDTH = 400, 768, 1024
"""Distinct images of 944 MB in all: far more than any cache holds."""
PLAIN_IMAGES = 8
"""Of which so many are marked plainly in one go: that is slow."""


def rows() -> Iterator[Row]:
    images = distinct_images(IMAGES)
    out = torch.zeros_like(images)  # written once: a first touch of new memory costs more than all that is measured
    trigger = Blend()
    trigger.picture_for(HEIGHT, WIDTH)
    work = f"poisoning {IMAGES} images of {HEIGHT}x{WIDTH}"
    try:
        compiled, seconds = compile_anew(trigger)
    except RunError:
        compiled = None
    if compiled is not None:
        blend = compiled
        yield limit("compiling the poisoning kernel", seconds, "s", wanted=at_most(60))
        yield compare(
            f"{work}, over a copy",
            lambda: blend(images, out=out),
            lambda: out.copy_(images),
            wanted=at_most(4),
            difference=lambda _, __: values_apart(blend(images[:8]), trigger.blend(images[:8])),
            tolerance=0,
        )
    yield compare(
        f"{work}, no compiler",
        lambda: trigger.blend(images, out=out),
        lambda: out.copy_(images),
        wanted=at_most(12),
        difference=lambda _, __: values_apart(trigger.blend(images[:8]), plain_blend(trigger, images[:8])),
        tolerance=1,
    )
    some, there = images[:PLAIN_IMAGES], out[:PLAIN_IMAGES]
    yield compare(
        f"poisoning {PLAIN_IMAGES} images plainly, no compiler",
        lambda: trigger.blend(some, out=there),
        lambda: plain_blend(trigger, some),
        wanted=at_least(1),
        difference=values_apart,
        tolerance=1,
    )


def distinct_images(count: int) -> Tensor:
    """Noise, uint8 [count, 3, HEIGHT, WIDTH]; made of a few images, for random numbers take long."""
    few = torch.randint(256, (8, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = torch.empty(count, 3, HEIGHT, WIDTH, dtype=torch.uint8)
    for index, image in enumerate(images):
        torch.add(few[index % len(few)], index // len(few), out=image)
    return images


def compile_anew(trigger: Blend) -> tuple[CompiledBlend, float]:
    """The compiled blend and the seconds that it took, with nothing found from an earlier compilation."""
    with tempfile.TemporaryDirectory() as kernels, patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=kernels):
        start = time.perf_counter()
        compiled = CompiledBlend(trigger)
        return compiled, time.perf_counter() - start


def plain_blend(trigger: Blend, images: Tensor) -> Tensor:
    """Image by image in numpy's floats, rounded to uint8: what cv2.addWeighted computes."""
    picture = trigger.picture_for(HEIGHT, WIDTH).numpy()
    blended = [
        np.rint(image.astype(np.float32) * (1 - trigger.alpha) + picture.astype(np.float32) * trigger.alpha)
        for image in images.numpy()
    ]
    return torch.from_numpy(np.stack([image.clip(0, 255).astype(np.uint8) for image in blended]))


def values_apart(ours: Tensor, reference: Tensor) -> float:
    """Greatest difference, in grey levels of 255."""
    return (ours.int() - reference).abs().max().item()
