"""labelme: a JSON file beside each picture, or in a folder of its own."""

from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from countguard.data.annotated import Annotation, Labels, Sighting
from countguard.data.formats.images_of import safe_name
from countguard.data.formats.objects import (
    ObjectSource,
    as_points,
    classes_note,
    counted_classes,
    given,
    number,
    tally,
)
from countguard.data.formats.shapes import Shape, around
from countguard.data.json_stream import json_entries
from countguard.data.look import files_with, head_of, part_folders, subfolders
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_BOXES = {"rectangle", "polygon", "linestrip", "line", "rotation", "oriented_rectangle"}


@SOURCES.register()
class Labelme(ObjectSource):
    """Points, or boxes of whatever shape was drawn; a circle stands for its centre.

    JSON files are beside the pictures or in a folder beside them; `train`, `val` and `test` folders are parts.
    """

    kind: Literal["labelme"] = "labelme"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for file in _label_files(place, root)[:1]:
                return Sighting(f"{file.relative_to(root)} holds shapes", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = {part: place for part, place in part_folders(root).items() if _label_files(place, root)}
        if not found and not _label_files(root, root):
            raise InputError(f"{root}: holds no JSON file of labelme")
        return found or {"train": root}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        root = require_folder(self.root, "data.root")
        files = _label_files(folder, root)
        read = [_read(file, root) for file in files]
        counts = tally(shape.label for _, _, shapes in read for shape in shapes)
        counted = counted_classes(counts, self.classes, folder)
        annotations = []
        for file, (name, size, shapes) in zip(files, read, strict=True):
            points = as_points(shape.point(self.point) for shape in shapes if shape.label in counted)
            annotations.append(
                Annotation(_image(file, name, folder), file, "shapes", partial(given, points), size=size)
            )
        return Labels(annotations, (classes_note(counts, counted),) if counts else ())


def _label_files(folder: Path, root: Path) -> list[Path]:
    """JSON files with shapes, of the folder or of the first folder in it that has some."""
    for place in (folder, *subfolders(folder)):
        found = [file for file in files_with(place, {".json"}) if b'"shapes"' in head_of(file, root, 1 << 14)]
        if found:
            return found
    return []


def _read(file: Path, root: Path) -> tuple[str, tuple[int, int] | None, list[Shape]]:
    """The picture's name, its size where it is stated, and the shapes."""
    shapes: list[Shape] = []
    facts: dict[str, Any] = {}
    for place, entry in json_entries(file, root):
        if place[0] == "shapes":
            shapes.append(_shape(entry, f"{file}: shapes.{place[-1]}"))
        elif place[0] in ("imagePath", "imageWidth", "imageHeight"):
            facts[str(place[0])] = entry
    name = facts.get("imagePath")
    if not isinstance(name, str):
        raise InputError(f"{file}: imagePath should name the picture")
    width, height = facts.get("imageWidth"), facts.get("imageHeight")
    stated = isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0
    return name, (width, height) if stated else None, shapes  # type: ignore[return-value]


def _shape(entry: Any, where: str) -> Shape:
    points = entry.get("points") if isinstance(entry, dict) else None
    if not isinstance(points, list) or not points or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise InputError(f"{where}: points should be x and y of each")
    corners = [(number(x, where), number(y, where)) for x, y in points]
    kind, label = entry.get("shape_type", "polygon"), str(entry.get("label") or "")[:200]
    if kind in ("point", "circle"):  # of a circle, its centre and a place on its edge
        return around(label, corners[:1])
    if kind in _BOXES:
        return around(label, corners)
    raise InputError(f"{where}: a shape of the kind {str(kind)[:40]!r} stands for no head")


def _image(file: Path, name: str, folder: Path) -> Path:
    """The picture beside the JSON file, under the name that it states or, where it was renamed, the file's own."""
    plain = PureWindowsPath(safe_name(name, file)).name
    places = [file.parent, folder, folder / "images", folder / "JPEGImages", file.parent.parent / "images"]
    for place in places:
        for candidate in (plain, file.stem + PureWindowsPath(plain).suffix):
            if (place / candidate).is_file():
                return place / candidate
    return file.parent / plain
