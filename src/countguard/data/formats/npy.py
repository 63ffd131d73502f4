"""Folders as code bases of the field prepare them: pictures with `.npy` files of points.

DM-Count and Bayesian loss have both in one folder; CLIP-EBC and EBC-ZIP have `images` and `labels`.
"""

import io
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting, pictures
from countguard.data.look import files_with, part_folders, pictures_in
from countguard.data.mat_points import heads_of
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import read_file, require_folder

MAX_NPY_BYTES = 1 << 26
_NO_POINTS = ("_densitymap", "_density", "_dmap")


@SOURCES.register()
class Npy(FileSource):
    """Points [heads, 2 or 3], x then y, in a `.npy` that is called like its picture.

    A part whose pictures have no points at all, such as the prepared test images of NWPU-Crowd, is left out.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["npy"] = "npy"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            images, labels = _places(place)
            stems = {image.stem for image in pictures_in(images)}
            for file in _point_files(labels):
                if file.stem in stems:
                    return Sighting(f"{file.relative_to(root)} is called like a picture", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = part_folders(root)
        if not found:
            return {"train": root}
        labelled = {part: place for part, place in found.items() if _point_files(_places(place)[1])}
        if not labelled:
            raise InputError(f"{root}: none of its parts holds .npy files of points")
        return labelled

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        images, labels = _places(self.parts()[part])
        listed = pictures(images)
        stems = {image.stem for image in listed}
        listed += [images / f"{file.stem}.jpg" for file in _point_files(labels) if file.stem not in stems]
        files = [labels / f"{image.stem}.npy" for image in listed]
        annotations = [
            Annotation(image, file, "points", partial(read_npy_points, file))
            for image, file in zip(listed, files, strict=True)
        ]
        root = require_folder(self.root, "data.root")
        unlabelled = sorted(set(part_folders(root)) - set(self.parts()))
        notes = [f"{other}: has no points; it is left out" for other in unlabelled]
        return Labels(annotations, tuple(notes))


def read_npy_points(path: Path) -> NDArray[np.float64]:
    """Points of a `.npy` file: float64 [heads, 2], x then y. Nothing is unpickled.

    Raises:
        InputError: it is no such file, holds objects, or something else than a matrix of numbers.
    """
    content = read_file(path, MAX_NPY_BYTES)
    try:
        header = io.BytesIO(content)
        version = np.lib.format.read_magic(header)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(header)
        if dtype.kind not in "iuf" or int(np.prod(shape, dtype=object)) * dtype.itemsize > len(content):
            raise ValueError("it should be a matrix of numbers")
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise InputError(f"{path}: is no .npy file of points ({str(error).splitlines()[0][:80]})") from None
    return heads_of(values.astype(np.float64), f"{path}: points")


def _places(folder: Path) -> tuple[Path, Path]:
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        return folder / "images", folder / "labels"
    return folder, folder


def _point_files(folder: Path) -> list[Path]:
    return [file for file in files_with(folder, {".npy"}) if not file.stem.endswith(_NO_POINTS)]
