"""Data sets that are files: each picture with its heads, checked by their headers before any work starts."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.data.images import IMAGE_SUFFIXES, PictureHeader, list_images, picture_header, read_image
from countguard.data.kernels import Kernel
from countguard.data.names import require_readable_name
from countguard.data.scaling import clamp_inside, rescale
from countguard.data.source import LazyCrowds, Part, Source
from countguard.errors import InputError
from countguard.reading import refusals_as_input_errors, require_folder, require_inside

OUTSIDE = 16.0
"""Pixels by which a head may lie outside of its picture: annotators click on the border. It is moved inside."""

Frame: TypeAlias = Literal["upright", "stored"]
"""Whether x and y are pixels of the picture as a viewer shows it, turned by its EXIF, or as it is stored."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A picture and how to get its heads.

    Attributes:
        image: the picture's path.
        file: the path of the file that holds its heads.
        field: where in that file they are; named in errors.
        points: reads them: float64 [heads, 2], x then y; raises InputError.
        id: of the crowd; the picture's stem where it is empty.
        size: width and height of the picture as the label file states them; None where it does not.
        relative: x and y are fractions of the picture's sides, 0 to 1, and no pixels.
    """

    image: Path
    file: Path
    field: str
    points: Callable[[], NDArray[np.float64]]
    id: str = ""
    size: tuple[int, int] | None = None
    relative: bool = False

    @property
    def crowd_id(self) -> str:
        """The crowd's id."""
        return self.id or self.image.stem


@dataclass(frozen=True, slots=True)
class Labels:
    """The pictures of one part and what was found beside their heads.

    Attributes:
        annotations: in order.
        notes: a line each: what was counted and what was left out by rule, such as other classes of objects.
        files: files that were read beside those of the annotations, such as lists of a part's pictures.
    """

    annotations: Sequence[Annotation]
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What speaks for a format in a folder.

    Attributes:
        because: what was seen, such as `Train holds img_0001.jpg with img_0001_ann.mat`.
        settings: of the source, as far as the folder tells them.
    """

    because: str
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A picture that is not decoded yet, with its heads.

    Attributes:
        path: of the picture.
        id: of the crowd.
        points: float32 [heads, 2], inside the picture.
        height: pixels, in the frame of the heads.
        width: pixels.
        moved: how many heads lay outside and were moved inside.
        frame: of the heads.
        turned: its EXIF turns or mirrors it.
    """

    path: Path
    id: str
    points: Tensor
    height: int
    width: int
    moved: int
    frame: Frame
    turned: bool

    def decode(self) -> Tensor:
        """The decoded picture, uint8 [3, H, W].

        Raises:
            InputError: it is damaged, or no longer the one that was checked.
        """
        image = read_image(self.path, upright=self.frame == "upright")
        if image.shape[1:] != (self.height, self.width):
            raise InputError(f"{self.path}: has changed while it was in use; its size was {self.width} x {self.height}")
        return image


class OutsideError(InputError):
    """A head lies outside of its picture.

    Attributes:
        swapped: with x and y exchanged, all heads of the picture lie inside.
    """

    def __init__(self, message: str, *, swapped: bool) -> None:
        super().__init__(message)
        self.swapped = swapped


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that is in one part of a data set, good and bad.

    Attributes:
        images: the good pictures, in order.
        problems: an error for each bad one.
        labels: what the label files say.
    """

    images: Sequence[AnnotatedImage]
    problems: Sequence[InputError]
    labels: Labels


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
        return rescale(Crowd(image.decode(), image.points, image.id, self._kernel), self._scale)

    def stamp(self, position: int) -> bytes:
        """See `LazyCrowds`; of the picture's size and date, and of the heads."""
        image = self.images[position]
        with refusals_as_input_errors(image.path):
            status = image.path.stat()
        return repr((image.id, status.st_size, status.st_mtime_ns)).encode() + image.points.numpy().tobytes()


class FileSource(Source):
    """A data set in a folder. Links that leave the folder are refused.

    Attributes:
        root: the data set's folder.
        skip_bad: bad files are left out, named and counted, instead of ending the run. Each picture is decoded
            once in advance to know them.
        exif: the frame of x and y in pictures that their EXIF turns; None takes what the format's own tools do.
    """

    frame: ClassVar[Frame] = "upright"
    """The frame that the format's own tools write. Sets that were annotated with MATLAB have `stored`."""

    root: Path
    skip_bad: bool = False
    exif: Frame | None = None

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.root.resolve().name

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """What in a folder says that it has this format; None where nothing does. Reads a few files at most."""
        return None

    @abstractmethod
    def parts(self) -> Mapping[Part, Path]:
        """The official parts that hold images with heads, each with the place by which errors name it.

        A set without a split has the part `train` alone.

        Raises:
            InputError: the data set is not there, or not laid out as it should be.
        """

    @abstractmethod
    def labels(self, part: Part) -> Labels:
        """The pictures of a part of `parts`, in order, with where their heads are.

        Raises:
            InputError: as `parts`.
        """

    def crowds(self, part: Part) -> AnnotatedCrowds:
        """The crowds of one part; heads and headers are read and checked now, pictures when they are asked for.

        Raises:
            InputError: a folder or a pair is missing, a picture unreadable or huge, a head NaN or outside, an id twice,
                or there is not one head in the whole part.
        """
        survey = self.survey(part, every=self.skip_bad)
        if survey.problems and not self.skip_bad:
            raise survey.problems[0]
        skipped = [str(problem) for problem in survey.problems]
        _require_heads(survey.images, self.parts()[part], skipped)
        return AnnotatedCrowds(survey.images, skipped, self.kernel, self.scale)

    def survey(self, part: Part, *, every: bool = True) -> Survey:
        """All pictures of a part with everything that is wrong with them.

        Args:
            part: one of `parts`.
            every: whether to go on after the first problem, of which alone one line is said otherwise.

        Raises:
            InputError: the part is not there, or its label files as a whole cannot be read.
        """
        with refusals_as_input_errors(self.root):
            parts = self.parts()
            if part not in parts:
                raise InputError(_no_part(self.root, part, parts))
            root = require_folder(self.root, "data.root")
            labels = self.labels(part)
            _require_own_ids(labels.annotations)
            outcomes = self._check(labels.annotations, root, every=every)
        images = [outcome for outcome in outcomes if isinstance(outcome, AnnotatedImage)]
        return Survey(images, [outcome for outcome in outcomes if isinstance(outcome, InputError)], labels)

    def _check(
        self, annotations: Sequence[Annotation], root: Path, *, every: bool
    ) -> list[AnnotatedImage | InputError]:
        def check(annotation: Annotation) -> AnnotatedImage | InputError:
            try:
                image = _checked(annotation, root, self.exif, self.frame)
                if self.skip_bad:
                    image.decode()
            except InputError as error:
                return error
            return image

        with ThreadPoolExecutor() as pool:
            outcomes: list[AnnotatedImage | InputError] = []
            for outcome in pool.map(check, annotations):
                outcomes.append(outcome)
                if isinstance(outcome, InputError) and not every:
                    break
            return outcomes


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order.

    Raises:
        InputError: there are none, or two differ in nothing but what follows the dot.
    """
    paths = list_images(folder)
    if not paths:
        raise InputError(f"{folder}: holds no picture; {', '.join(sorted(IMAGE_SUFFIXES))} are read")
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{path}: has the same name as {stems[path.stem].name}; each image needs a name of its own"
            )
        stems[path.stem] = path
    return paths


def _no_part(root: Path, part: Part, parts: Iterable[Part]) -> str:
    there = ", ".join(parts)
    if part == "train":
        return f"{root}: has no official train images; there is {there or 'no part'}"
    return (
        f"{root}: has no official {part} images; data.split {{kind: held_back}} takes the test images "
        "out of the training images"
    )


def _require_own_ids(annotations: Sequence[Annotation]) -> None:
    seen: dict[str, Path] = {}
    for annotation in annotations:
        other = seen.setdefault(annotation.crowd_id, annotation.image)
        if other is not annotation.image:
            raise InputError(
                f"{annotation.image}: has the same name as {other}; each image needs a name of its own, once"
            )


def _checked(annotation: Annotation, root: Path, exif: Frame | None, usual: Frame) -> AnnotatedImage:
    image, file = annotation.image, annotation.file
    require_readable_name(image, annotation.crowd_id)
    for path in (image, file):
        require_inside(path, root)
    if not image.exists() and not image.is_symlink():
        raise InputError(f"{image}: is missing; {file.name} holds heads for it")
    if not file.exists() and not file.is_symlink():
        raise InputError(f"{file}: is missing; it should hold the heads of {image.name}")
    header = picture_header(image)
    frame = exif or _frame_that_fits(annotation, header, usual)
    height, width = header.size(upright=frame == "upright")
    points = annotation.points()
    where = f"{file}: {annotation.field}"
    if not np.isfinite(points).all():
        raise InputError(f"{where}: a head is NaN or infinite; x and y should be pixels inside the image")
    if annotation.relative:
        points = points * (width, height)
    inside = clamp_inside(torch.from_numpy(points.astype(np.float32)), height, width)
    _require_inside_picture(points, height, width, where, image.name)
    outside = (points < 0) | (points >= (width, height))
    moved = int(outside.any(axis=1).sum())
    turned = header.orientation != 1
    return AnnotatedImage(image, annotation.crowd_id, inside, height, width, moved, frame, turned)


def _frame_that_fits(annotation: Annotation, header: PictureHeader, usual: Frame) -> Frame:
    """The format's usual frame, or the other one where the size that the label file states says so."""
    if annotation.size is None or annotation.relative:
        return usual
    other: Frame = "stored" if usual == "upright" else "upright"
    for frame in (usual, other):
        height, width = header.size(upright=frame == "upright")
        if (width, height) == annotation.size:
            return frame
    height, width = header.size(upright=usual == "upright")
    raise InputError(
        f"{annotation.file}: {annotation.field}: was labelled at {annotation.size[0]} x {annotation.size[1]} pixels, "
        f"{annotation.image.name} has {width} x {height}; its heads would lie elsewhere"
    )


def _require_inside_picture(points: NDArray[np.float64], height: int, width: int, where: str, image: str) -> None:
    beyond = np.maximum(-points, points - (width, height)).max(axis=1, initial=-np.inf)
    if not len(points) or beyond.max() <= OUTSIDE:
        return
    worst = int(beyond.argmax())
    x, y = points[worst]
    swapped = bool(((points >= 0) & (points <= (height, width))).all())
    hint = "; x and y look exchanged" if swapped else f"; up to {OUTSIDE:g} pixels outside are allowed"
    raise OutsideError(
        f"{where}: head {worst + 1} at ({x:.6g}, {y:.6g}) lies outside of {image}, {width} x {height} pixels{hint}",
        swapped=swapped,
    )


def _require_heads(images: Sequence[AnnotatedImage], place: Path, skipped: Sequence[str]) -> None:
    if not images:
        raise InputError(f"{place}: not one good image is left of {len(skipped)}; the first one: {skipped[0]}")
    if not any(len(image.points) for image in images):
        raise InputError(f"{place}: there is not one head in its {len(images)} images; is this the right label file?")
