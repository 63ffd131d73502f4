"""Data sets that are files: each picture with its heads, checked by their headers before any work starts."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.data.images import image_size, list_images, read_image
from countguard.data.kernels import Kernel
from countguard.data.names import require_readable_name
from countguard.data.scaling import clamp_inside, rescale
from countguard.data.source import LazyCrowds, Source
from countguard.errors import InputError
from countguard.reading import refusals_as_input_errors, require_folder, require_inside

OUTSIDE = 16.0
"""Pixels by which a head may lie outside of its picture: annotators click on the border. It is moved inside."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A picture and how to get its heads.

    Attributes:
        image: the picture's path.
        file: the path of the file that holds its heads.
        field: where in that file they are; named in errors.
        points: reads them: float64 [heads, 2], x then y; raises InputError.
    """

    image: Path
    file: Path
    field: str
    points: Callable[[], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A picture that is not decoded yet, with its heads.

    Attributes:
        path: of the picture.
        points: float32 [heads, 2], inside the picture.
        height: pixels, upright.
        width: pixels, upright.
        moved: how many heads lay outside and were moved inside.
    """

    path: Path
    points: Tensor
    height: int
    width: int
    moved: int

    def decode(self) -> Tensor:
        """The decoded picture, uint8 [3, H, W].

        Raises:
            InputError: it is damaged, or no longer the one that was checked.
        """
        image = read_image(self.path)
        if image.shape[1:] != (self.height, self.width):
            raise InputError(f"{self.path}: has changed while it was in use; its size was {self.width} x {self.height}")
        return image


class AnnotatedCrowds(LazyCrowds):
    """The crowds of one part of a data set. Heads are in memory, pictures are decoded when they are asked for.

    Attributes:
        images: the pictures, in order.
        skipped: a line for each bad file that was left out.
    """

    def __init__(
        self, images: Sequence[AnnotatedImage], skipped: Iterable[str], kernel: Kernel | None, scale: float
    ) -> None:
        self.images = images
        self.skipped = tuple(skipped)
        self._kernel = kernel
        self._scale = scale

    def __len__(self) -> int:
        return len(self.images)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`; raises InputError for a picture that is damaged."""
        image = self.images[position]
        return rescale(Crowd(image.decode(), image.points, image.path.stem, self._kernel), self._scale)


class FileSource(Source):
    """A data set in a folder. Links that leave the folder are refused.

    Attributes:
        root: the data set's folder.
        skip_bad: bad files are left out, named and counted, instead of ending the run. Each picture is decoded
            once in advance to know them.
    """

    root: Path
    skip_bad: bool = False

    @abstractmethod
    def part_folder(self, part: Literal["train", "test"]) -> Path | None:
        """The folder of one official part; None where this data set has no such part.

        Raises:
            InputError: the data set is not there, or not laid out as it should be.
        """

    @abstractmethod
    def labels(self, folder: Path) -> list[Annotation]:
        """The pictures in the folder of a part, in order, with where their heads are.

        Raises:
            InputError: as `part_folder`.
        """

    def crowds(self, part: Literal["train", "test"]) -> AnnotatedCrowds:
        """The crowds of one part; heads and headers are read and checked now, pictures when they are asked for.

        Raises:
            InputError: a folder or a pair is missing, a picture unreadable or huge, a head NaN or outside, an id twice,
                or there is not one head in the whole part.
        """
        with refusals_as_input_errors(self.root):
            return self._crowds(part)

    def _crowds(self, part: Literal["train", "test"]) -> AnnotatedCrowds:
        folder = self.part_folder(part)
        if folder is None:
            raise InputError(
                f"{self.root}: has no official {part} images; data.split {{kind: held_back}} takes the test images "
                "out of the training images"
            )
        root = require_folder(self.root, "data.root")
        images: list[AnnotatedImage] = []
        skipped: list[str] = []
        for outcome in self._check(self.labels(folder), root):
            if isinstance(outcome, AnnotatedImage):
                images.append(outcome)
            elif self.skip_bad:
                skipped.append(str(outcome))
            else:
                raise outcome
        _require_heads(images, folder, skipped)
        return AnnotatedCrowds(images, skipped, self.kernel, self.scale)

    def _check(self, labels: Sequence[Annotation], root: Path) -> list[AnnotatedImage | InputError]:
        def check(label: Annotation) -> AnnotatedImage | InputError:
            try:
                image = _checked(label, root)
                if self.skip_bad:
                    image.decode()
            except InputError as error:
                return error
            return image

        with ThreadPoolExecutor() as pool:
            outcomes: list[AnnotatedImage | InputError] = []
            for outcome in pool.map(check, labels):
                outcomes.append(outcome)
                if isinstance(outcome, InputError) and not self.skip_bad:
                    break  # one line is said of the first; the rest need not be read for it
            return outcomes


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order.

    Raises:
        InputError: there are none, or two differ in nothing but what follows the dot.
    """
    paths = list_images(folder)
    if not paths:
        raise InputError(f"{folder}: holds no picture; .jpg, .jpeg, .png and .webp are read")
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{path}: has the same name as {stems[path.stem].name}; each image needs a name of its own"
            )
        stems[path.stem] = path
    return paths


def _checked(label: Annotation, root: Path) -> AnnotatedImage:
    require_readable_name(label.image)
    for path in (label.image, label.file):
        require_inside(path, root)
    if not label.image.exists() and not label.image.is_symlink():
        raise InputError(f"{label.image}: is missing; {label.file.name} holds heads for it")
    if not label.file.exists() and not label.file.is_symlink():
        raise InputError(f"{label.file}: is missing; it should hold the heads of {label.image.name}")
    height, width = image_size(label.image)
    points = label.points()
    where = f"{label.file}: {label.field}"
    if not np.isfinite(points).all():
        raise InputError(f"{where}: a head is NaN or infinite; x and y should be pixels inside the image")
    beyond = np.maximum(-points, points - (width, height)).max(axis=1, initial=-np.inf)
    if len(points) and beyond.max() > OUTSIDE:
        worst = int(beyond.argmax())
        x, y = points[worst]
        raise InputError(
            f"{where}: head {worst + 1} at ({x:.6g}, {y:.6g}) lies outside of {label.image.name}, {width} x {height} "
            f"pixels; up to {OUTSIDE:g} pixels outside are allowed"
        )
    inside = clamp_inside(torch.from_numpy(points.astype(np.float32)), height, width)
    outside = (points < 0) | (points >= (width, height))
    return AnnotatedImage(label.image, inside, height, width, int(outside.any(axis=1).sum()))


def _require_heads(images: Sequence[AnnotatedImage], folder: Path, skipped: Sequence[str]) -> None:
    if not images:
        raise InputError(f"{folder}: not one good image is left of {len(skipped)}; the first one: {skipped[0]}")
    if not any(len(image.points) for image in images):
        raise InputError(f"{folder}: there is not one head in its {len(images)} images; is this the right label file?")
