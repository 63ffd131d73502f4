"""UCF-QNRF (Idrees et al., ECCV 2018): `Train/img_0001.jpg` with `Train/img_0001_ann.mat`."""

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting, pictures
from countguard.data.look import files_with, part_folders, subfolder
from countguard.data.mat_points import read_ann_points
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

ENDING = "_ann"


@SOURCES.register()
class Qnrf(FileSource):
    """Pictures with `annPoints` in a `.mat` beside each, in `Train` and `Test`.

    Some copies have the pictures in `Train/images` and the points in `Train/ground_truth`.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["qnrf"] = "qnrf"

    @property
    def name(self) -> str:
        """`UCF-QNRF`."""
        return "UCF-QNRF"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in part_folders(root).values():
            if found := next(iter(annotated_pictures(place)), None):
                return Sighting(f"{place.name} holds {found.stem}{ENDING}.mat", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = part_folders(root)
        if not found:
            raise InputError(f"{root}: should hold the folders Train and Test")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        return ann_labels(self.parts()[part])


def annotated_pictures(folder: Path) -> list[Path]:
    """The `.mat` files of points in a folder, under the names of their pictures."""
    _, points = _places(folder)
    return [file.with_name(file.stem.removesuffix(ENDING)) for file in _point_files(points)]


def ann_labels(folder: Path) -> Labels:
    """The pictures of a folder, each with its `*_ann.mat`; what one of the two lacks is said when it is read."""
    images, points = _places(folder)
    listed = pictures(images)
    stems = {image.stem for image in listed}
    for file in _point_files(points):
        if (stem := file.stem.removesuffix(ENDING)) not in stems:
            listed.append(images / f"{stem}.jpg")
    files = [points / f"{image.stem}{ENDING}.mat" for image in listed]
    return Labels(
        [
            Annotation(image, file, "annPoints", partial(read_ann_points, file))
            for image, file in zip(listed, files, strict=True)
        ]
    )


def _places(folder: Path) -> tuple[Path, Path]:
    images = subfolder(folder, "images") or folder
    return images, subfolder(folder, "ground_truth", "ground-truth") or images


def _point_files(folder: Path) -> list[Path]:
    return [file for file in files_with(folder, {".mat"}) if file.stem.endswith(ENDING)]
