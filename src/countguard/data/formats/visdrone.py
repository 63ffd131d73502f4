"""VisDrone-DET (Zhu et al., TPAMI 2021): `images/*.jpg` with boxes in `annotations/*.txt`."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, Labels, Sighting, pictures
from countguard.data.formats.objects import ObjectSource, as_points, box_point, classes_note, tally
from countguard.data.formats.text_rows import first_row, number_rows
from countguard.data.look import files_with, part_named_by, subfolders
from countguard.data.source import PARTS, SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

NAMES = (
    "ignored regions",
    "pedestrian",
    "people",
    "bicycle",
    "car",
    "van",
    "truck",
    "tricycle",
    "awning-tricycle",
    "bus",
    "motor",
    "others",
)
"""The classes by their numbers; `people` are those who sit or ride."""
_COLUMNS = "left top width height score category truncation occlusion"
_FOLDER = re.compile(r"(?:visdrone.*[-_])?(train|val|test)(?:[-_](?:dev|challenge))?", re.IGNORECASE)
_ROW = re.compile(r"-?\d+(,-?\d+){7},?")


@SOURCES.register()
class VisDrone(ObjectSource):
    """Boxes of pedestrians and of people who sit or ride, seen from drones; a head is a box's centre or upper edge.

    Parts are folders such as `VisDrone2019-DET-train`, `-val`, `-test-dev`, or `train`, `val`, `test`; a folder with
    `images` and `annotations` of its own is one part.
    """

    kind: Literal["visdrone"] = "visdrone"

    @property
    def name(self) -> str:
        """`VisDrone-DET`."""
        return "VisDrone-DET"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *(folder for _, folder in _parts(root))):
            if not (place / "images").is_dir():
                continue
            for file in files_with(place / "annotations", {".txt"})[:20]:
                if _ROW.fullmatch(first_row(file, root)):
                    return Sighting(f"{file.relative_to(root)} holds boxes of eight numbers", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        if (root / "annotations").is_dir():
            return {"train": root}
        found: dict[Part, Path] = {}
        for part, folder in _parts(root):
            if part in found:
                raise InputError(f"{root}: holds {found[part].name} and {folder.name}; one of them should go")
            found[part] = folder
        if not found:
            raise InputError(f"{root}: should hold images and annotations, or folders of the parts that do")
        return {part: found[part] for part in PARTS if part in found}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        images = pictures(folder / "images")
        files = [folder / "annotations" / f"{image.stem}.txt" for image in images]
        wanted = {NAMES.index(name) for name in self._wanted()}
        annotations = [
            Annotation(image, file, "boxes", partial(self._heads, file, wanted))
            for image, file in zip(images, files, strict=True)
        ]
        counts = tally(NAMES[kind] for file in files if file.is_file() for kind, _ in _boxes(file, self.root))
        return Labels(annotations, (classes_note(counts, set(self._wanted())),))

    def _wanted(self) -> tuple[str, ...]:
        wanted = self.classes or ("pedestrian", "people")
        if strangers := [name for name in wanted if name not in NAMES]:
            raise InputError(f"data.classes: {strangers[0]!r} is no class of VisDrone; there are {', '.join(NAMES)}")
        return wanted

    def _heads(self, file: Path, wanted: set[int]) -> NDArray[np.float64]:
        boxes = (box for kind, box in _boxes(file, self.root) if kind in wanted)
        return as_points(box_point(*box, self.point) for box in boxes)


def _parts(root: Path) -> Iterator[tuple[Part, Path]]:
    for folder in subfolders(root):
        match = _FOLDER.fullmatch(folder.name)
        if match and (part := part_named_by(match[1])) and (folder / "annotations").is_dir():
            yield part, folder


def _boxes(file: Path, root: Path) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    """Class and box of each row."""
    for line, row in number_rows(file, root, _COLUMNS, ","):
        kind = row[5]
        if not (kind.is_integer() and 0 <= kind < len(NAMES)):
            raise InputError(f"{file}: line {line}: category {kind:g} should be 0 to {len(NAMES) - 1}")
        yield int(kind), (row[0], row[1], row[2], row[3])
