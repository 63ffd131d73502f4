"""Pascal VOC (Everingham et al., IJCV 2010), as labelImg, CVAT and Roboflow write it: an XML file a picture."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

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
from countguard.data.formats.shapes import Shape
from countguard.data.formats.text_rows import text_lines
from countguard.data.formats.xml_stream import parse_xml
from countguard.data.images import IMAGE_SUFFIXES
from countguard.data.look import files_with, head_of, part_folders, subfolder
from countguard.data.source import PARTS, SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_SIDES = ("xmin", "ymin", "xmax", "ymax")


@SOURCES.register()
class Voc(ObjectSource):
    """Boxes in `Annotations/*.xml` with pictures in `JPEGImages`, or both in one folder, also one folder a part.

    Lists in `ImageSets/Main`, such as `train.txt`, name the pictures of the parts where they are there.
    """

    kind: Literal["voc"] = "voc"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for file in _label_files(place, root)[:1]:
                return Sighting(f"{file.relative_to(root)} holds objects with bndbox", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        if _label_files(root, root):
            lists = {part: root / "ImageSets/Main" / f"{part}.txt" for part in PARTS}
            return {part: file for part, file in lists.items() if file.is_file()} or {"train": root}
        found = {part: place for part, place in part_folders(root).items() if _label_files(place, root)}
        if not found:
            raise InputError(f"{root}: holds no XML file with objects and bndbox")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        place = self.parts()[part]
        root = require_folder(self.root, "data.root")
        folder = place if place.is_dir() else root
        files = _label_files(folder, root)
        if place.is_file():
            listed = {line.split()[0] for _, line in text_lines(place, root)}
            files = [file for file in files if file.stem in listed]
        read = [_read(file, root) for file in files]
        counts = tally(shape.label for _, _, shapes in read for shape in shapes)
        counted = counted_classes(counts, self.classes, folder)
        annotations = [
            Annotation(
                _image(file, name, folder),
                file,
                "objects",
                partial(given, as_points(shape.point(self.point) for shape in shapes if shape.label in counted)),
                size=size,
            )
            for file, (name, size, shapes) in zip(files, read, strict=True)
        ]
        return Labels(
            annotations, (classes_note(counts, counted),) if counts else (), (place,) if place.is_file() else ()
        )


def _label_files(folder: Path, root: Path) -> list[Path]:
    """XML files of the folder or its `Annotations`; the first few tell whether they are of this format."""
    for place in (folder, subfolder(folder, "Annotations")):
        files = files_with(place, {".xml"}) if place is not None else []
        for file in files[:5]:
            head = head_of(file, root, 1 << 14)
            if b"<annotation" in head and b"<annotations" not in head and (b"<size" in head or b"<filename" in head):
                return files
    return []


def _read(file: Path, root: Path) -> tuple[str, tuple[int, int] | None, list[Shape]]:
    """The picture's name, its size where it is stated, and the boxes."""
    facts: dict[str, str] = {}
    shapes: list[Shape] = []
    current: dict[str, str] = {}
    path: list[str] = []

    def start(name: str, values: Mapping[str, str]) -> None:
        path.append(name)
        if name == "object":
            current.clear()

    def end(name: str, text: str) -> None:
        path.pop()
        inside = path[-1] if path else ""
        if name == "filename" or inside == "size":
            facts[name] = text
        elif inside == "bndbox" or (inside == "object" and name == "name"):
            current[name] = text
        elif name == "object":
            where = f"{file}: object {len(shapes) + 1}"
            left, top, right, bottom = (number(current.get(side), f"{where}: {side}") for side in _SIDES)
            shapes.append(Shape(current.get("name", "")[:200], left, top, right, bottom))

    parse_xml(file, root, start, end)
    sides = [facts.get(side, "") for side in ("width", "height")]
    size = (int(sides[0]), int(sides[1])) if all(side.isdecimal() and int(side) > 0 for side in sides) else None
    return facts.get("filename", ""), size, shapes


def _image(file: Path, name: str, folder: Path) -> Path:
    """The picture under the name that the file states, or under the file's own."""
    places = [file.parent, folder, folder / "JPEGImages", folder / "images"]
    names = [Path(safe_name(name, file)).name] if name else []
    for place in places:
        for candidate in names:
            if (place / candidate).is_file():
                return place / candidate
    suffixes = [suffix for suffix in sorted(IMAGE_SUFFIXES) for suffix in (suffix, suffix.upper())]
    own = (place / f"{file.stem}{suffix}" for place in places for suffix in suffixes)
    return next((path for path in own if path.is_file()), file.with_suffix(".jpg"))
