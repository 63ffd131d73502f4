"""What is in a data set, and everything that is wrong with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from countguard.data.annotated import AnnotatedCrowds, AnnotatedImage, FileSource
from countguard.data.sources import open_source


@dataclass(frozen=True, slots=True)
class PartReport:
    """One official part of a data set, of its good images alone.

    Attributes:
        part: train or test.
        images: how many.
        heads: all together.
        fewest, median, most: heads in an image.
        without_heads: images that have none.
        smallest, largest: (height, width) of the pictures with the fewest and the most pixels.
        moved: heads that lay a few pixels outside and were moved inside.
        coinciding: heads on a pixel that has another head, counted once less a pixel.
    """

    part: Literal["train", "test"]
    images: int
    heads: int
    fewest: int
    median: float
    most: int
    without_heads: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    moved: int
    coinciding: int


@dataclass(frozen=True, slots=True)
class DataReport:
    """A whole data set.

    Attributes:
        name: of the data set.
        parts: those that are there.
        problems: a line for each bad file.
    """

    name: str
    parts: tuple[PartReport, ...]
    problems: tuple[str, ...]


def check_data(data: Path | FileSource) -> DataReport:
    """Reads every file of a data set, decodes every picture, and reports instead of ending at the first bad one.

    Raises:
        InputError: the folder as a whole is no data set, or holds not one good image or not one head.
    """
    source = open_source(data) if isinstance(data, Path) else data
    source = source.model_copy(update={"skip_bad": True})
    present: list[Literal["train", "test"]] = [
        part for part in ("train", "test") if source.part_folder(part) is not None
    ]
    crowds = {part: source.crowds(part) for part in present}
    problems = [line for part in present for line in crowds[part].skipped]
    return DataReport(source.name, tuple(_report(part, crowds[part]) for part in present), tuple(problems))


def _report(part: Literal["train", "test"], crowds: AnnotatedCrowds) -> PartReport:
    counts = sorted(len(image.points) for image in crowds.images)
    middle = len(counts) // 2
    by_size = sorted(((image.height, image.width) for image in crowds.images), key=lambda size: size[0] * size[1])
    return PartReport(
        part=part,
        images=len(counts),
        heads=sum(counts),
        fewest=counts[0],
        median=(counts[middle] + counts[~middle]) / 2,
        most=counts[-1],
        without_heads=counts.count(0),
        smallest=by_size[0],
        largest=by_size[-1],
        moved=sum(image.moved for image in crowds.images),
        coinciding=sum(_coinciding(image) for image in crowds.images),
    )


def _coinciding(image: AnnotatedImage) -> int:
    return len(image.points) - len(torch.unique(image.points.floor(), dim=0))
