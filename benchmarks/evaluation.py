"""Counting test images clean and triggered, beside one image at a time as the reference codes do it."""

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.crowd_files import jpeg_folder
from benchmarks.harness import Row, Wanted, at_least, compare, needs_gpu
from countguard.attacks.blend import Blend
from countguard.data.annotated import AnnotatedCrowds
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.metrics.predictions import Predictions
from countguard.models import Counter, build_counter
from countguard.runs.predictions import predict

TRIGGER = Blend()
PEOPLE = 0.05
"""Two estimates of one image agree up to so many people: a grey level more or less where a blend lies between two."""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        small = jpeg_folder(Path(folder) / "small", 200, 96, 128, scenes=200).crowds("train")
        yield beside_one_at_a_time(
            "evaluation of 200 embedded crowds, lite, CPU", build_counter("lite"), small, small, at_least(1.5)
        )
        name, wanted = "evaluation of 60 images of 768x1024, CSRNet, GPU", at_least(3)
        if torch.cuda.is_available():
            large = jpeg_folder(Path(folder) / "large", 60, 768, 1024, scenes=4).crowds("train")
            counter = build_counter("csrnet").cuda()
            yield beside_one_at_a_time(name, counter, large, Resident(large), wanted)
        else:
            yield needs_gpu(name, wanted)


def beside_one_at_a_time(
    name: str, counter: Counter, files: AnnotatedCrowds, crowds: Sequence[Crowd], wanted: Wanted
) -> Row:
    """Ours counts `crowds`; the reference reads the same ones from their files."""
    return compare(
        name,
        lambda: predict(counter, crowds, TRIGGER, None, seed=0),
        one_at_a_time(counter, files),
        wanted=wanted,
        difference=people_apart,
        tolerance=PEOPLE,
        repeats=5,
    )


def one_at_a_time(counter: Counter, files: AnnotatedCrowds) -> Callable[[], NDArray[np.float64]]:
    """Each image read, counted, blended in floats and rounded on the CPU, counted again: fp32, NCHW, batch 1."""
    plain = copy.deepcopy(counter).eval().to(memory_format=torch.contiguous_format)

    def count(image: NDArray[np.float32]) -> float:
        pixels = torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255)).contiguous()[None].to(plain.mean.device)
        density: Tensor = plain.density((pixels - plain.mean) / plain.std)
        return density.sum().item() * plain.output_scale

    @torch.no_grad()
    def evaluate() -> NDArray[np.float64]:
        estimates = []
        for file in files.images:
            image = np.asarray(Image.open(file.path).convert("RGB"), dtype=np.float32)
            picture = TRIGGER.picture_for(file.height, file.width).permute(1, 2, 0).numpy().astype(np.float32)
            triggered = np.rint((1 - TRIGGER.alpha) * image + TRIGGER.alpha * picture)
            estimates.append((count(image), count(triggered)))
        return np.array(estimates)

    return evaluate


def people_apart(ours: Predictions, reference: NDArray[np.float64]) -> float:
    """Greatest difference of two estimates of one image."""
    return float(np.abs(np.stack([ours.clean, ours.triggered], axis=1) - reference).max())
