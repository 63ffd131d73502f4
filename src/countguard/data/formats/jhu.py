"""JHU-Crowd++ (Sindagi et al., TPAMI 2020): `train/images/0001.jpg` with `train/gt/0001.txt`."""

import re
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting, pictures
from countguard.data.formats.objects import as_points
from countguard.data.formats.text_rows import first_row, number_rows
from countguard.data.look import files_with, part_folders
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_ROW = re.compile(r"-?[\d.]+(\s+-?[\d.]+){5}")


@SOURCES.register()
class Jhu(FileSource):
    """Each line of a `gt` file is a head: x, y, width, height, occlusion, blur; x and y are its centre.

    An empty file is a picture without a head. `train`, `val` and `test` are the official parts; one of them alone is
    read, too.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["jhu"] = "jhu"

    @property
    def name(self) -> str:
        """`JHU-Crowd++`."""
        return "JHU-Crowd++"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            if not (place / "images").is_dir():
                continue
            for file in files_with(place / "gt", {".txt"})[:20]:
                if _ROW.fullmatch(first_row(file, root)):
                    return Sighting(f"{file.relative_to(root)} holds rows of x y w h o b", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = {part: place for part, place in part_folders(root).items() if (place / "gt").is_dir()}
        if not found and (root / "gt").is_dir():
            return {"train": root}
        if not found:
            raise InputError(f"{root}: should hold train, val or test, each with images and gt")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        images = pictures(folder / "images")
        stems = {image.stem for image in images}
        gt = files_with(folder / "gt", {".txt"})
        images += [folder / "images" / f"{file.stem}.jpg" for file in gt if file.stem not in stems]
        described = [folder / name for name in ("image_labels.txt",) if (folder / name).is_file()]
        files = [folder / "gt" / f"{image.stem}.txt" for image in images]
        annotations = [
            Annotation(image, file, "x y", partial(_heads, file, self.root))
            for image, file in zip(images, files, strict=True)
        ]
        return Labels(annotations, files=tuple(described))


def _heads(file: Path, root: Path) -> NDArray[np.float64]:
    return as_points((row[0], row[1]) for _, row in number_rows(file, root, "x y w h o b"))
