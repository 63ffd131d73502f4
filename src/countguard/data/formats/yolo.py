"""YOLO's text files (Darknet, Ultralytics, Roboflow, CVAT, Label Studio): class, and fractions of the sides."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, Labels, Sighting
from countguard.data.formats.objects import ObjectSource, as_points, box_point, classes_note, counted_classes
from countguard.data.formats.text_rows import first_row, number_rows, text_lines
from countguard.data.formats.yaml_file import read_mapping
from countguard.data.look import files_with, part_folders, pictures_in, subfolder, subfolders
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_ROW = re.compile(r"\d+( +-?\d*\.?\d+(e-?\d+)?){4,}")
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")


@SOURCES.register()
class Yolo(ObjectSource):
    """A text file a picture: in `labels` beside `images`, in either order of folders, or beside the picture.

    Names of classes are read in `data.yaml`, `classes.txt` or `obj.names`. A picture without a text file has no object,
    as in YOLO. Of poses and outlines, the box is read.
    """

    kind: Literal["yolo"] = "yolo"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for images, labels in _pairs(root).values():
            stems = {image.stem for image in pictures_in(images)}
            for file in [file for file in files_with(labels, {".txt"}) if file.stem in stems][:20]:
                row = first_row(file, root)
                if _ROW.fullmatch(row) and all(0 <= float(cell) <= 1 for cell in row.split()[1:5]):
                    return Sighting(f"{file.relative_to(root)} holds class x y width height, 0 to 1", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = {part: images for part, (images, _) in _pairs(root).items()}
        if not found:
            raise InputError(f"{root}: should hold images and labels")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        images, folder = _pairs(root)[part]
        described, names = _classes(root)
        listed = pictures_in(images)
        if not listed:
            raise InputError(f"{images}: holds no picture")
        files = {image: folder / f"{image.stem}.txt" for image in listed}
        stems = {image.stem for image in listed}
        stray = [file for file in files_with(folder, {".txt"}) if file.stem not in stems and file.name not in _NAMES]
        strays = {images / f"{file.stem}.jpg": file for file in stray if _ROW.fullmatch(first_row(file, root))}
        counts = dict.fromkeys(names.values(), 0)
        for file in (*files.values(), *strays.values()):
            if file.is_file():
                for kind, _ in _boxes(file, root):
                    name = names.get(kind, str(kind))
                    counts[name] = counts.get(name, 0) + 1
        counted = counted_classes(counts, self.classes, described or root)
        numbers = {number for number in {*names, *range(1000)} if names.get(number, str(number)) in counted}
        bare = [image.name for image, file in files.items() if not file.is_file()]
        annotations = [
            Annotation(
                image,
                file if file.is_file() else image,
                "boxes",
                partial(self._heads, file, root, numbers),
                relative=True,
            )
            for image, file in {**files, **strays}.items()
        ]
        notes = [classes_note(counts, counted)] if counts else []
        notes += [f"{len(bare)} pictures have no text file: they hold no object ({', '.join(bare[:5])})"] * bool(bare)
        used = [root / name for name in ("data.yaml", *_NAMES) if (root / name).is_file()]
        return Labels(annotations, tuple(notes), tuple(used))

    def _heads(self, file: Path, root: Path, numbers: set[int]) -> NDArray[np.float64]:
        if not file.is_file():
            return np.zeros((0, 2))
        return as_points(box_point(*box, self.point) for kind, box in _boxes(file, root) if kind in numbers)


def _pairs(root: Path) -> dict[Part, tuple[Path, Path]]:
    """Folders of pictures and of text files by part: `images/train` and `labels/train`, or `train/images`, or one."""
    images, labels = subfolder(root, "images"), subfolder(root, "labels")
    if images is not None and labels is not None:
        ours, theirs = part_folders(images), part_folders(labels)
        if ours and theirs:
            return {part: (ours[part], theirs[part]) for part in ours if part in theirs}
        return {"train": (images, labels)}
    found: dict[Part, tuple[Path, Path]] = {}
    for part, place in part_folders(root).items():
        inner, texts = subfolder(place, "images"), subfolder(place, "labels")
        if inner is not None and texts is not None:
            found[part] = (inner, texts)
        elif files_with(place, {".txt"}) and pictures_in(place):
            found[part] = (place, place)
    if found:
        return found
    for place in (root, *subfolders(root)):  # CVAT's obj_train_data, labelImg's own folder
        if files_with(place, {".txt"}) and pictures_in(place):
            return {"train": (place, place)}
    return {}


def _classes(root: Path) -> tuple[Path | None, dict[int, str]]:
    """The names of the classes by their numbers, and the file that has them."""
    for name in ("data.yaml", "dataset.yaml", "data.yml"):
        if (file := root / name).is_file():
            return file, _named(read_mapping(file, root).get("names"), file)
    for place in (root, *subfolders(root)):
        for name in _NAMES:
            if (file := place / name).is_file():
                return file, dict(enumerate(line for _, line in text_lines(file, root)))
    return None, {}


def _named(names: Any, file: Path) -> dict[int, str]:
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, dict) and all(isinstance(number, int) for number in names):
        return {number: str(name) for number, name in names.items()}
    raise InputError(f"{file}: names should be the list of the classes")


def _boxes(file: Path, root: Path) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    """Class and box of each row, the box by its upper left corner and its sides."""
    for line, row in number_rows(file, root, "class x y width height"):
        if not row[0].is_integer() or row[0] < 0:
            raise InputError(f"{file}: line {line}: the class {row[0]:g} should be a whole number")
        outline = len(row) > 6 and len(row) % 2 == 1 and max(row[1:]) <= 1 and not _has_visibility(row)
        if outline:
            xs, ys = row[1::2], row[2::2]
            yield int(row[0]), (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
        else:
            x, y, width, height = row[1:5]
            yield int(row[0]), (x - width / 2, y - height / 2, width, height)


def _has_visibility(row: list[float]) -> bool:
    """Whether a row is a pose: its box, then x, y and a visibility of 0, 1 or 2 for each keypoint."""
    rest = row[5:]
    return len(rest) % 3 == 0 and all(mark in (0, 1, 2) for mark in rest[2::3])
