"""Boxes of many pictures in one CSV, as Roboflow writes it for TensorFlow: `_annotations.csv`."""

from functools import partial
from pathlib import Path
from typing import Literal

from countguard.data.annotated import Annotation, Labels, Sighting
from countguard.data.csv_dialect import opened_sheet
from countguard.data.formats.images_of import find_images, image_ids
from countguard.data.formats.objects import (
    MAX_OBJECTS,
    ObjectSource,
    as_points,
    classes_note,
    counted_classes,
    given,
    tally,
)
from countguard.data.formats.shapes import Shape
from countguard.data.look import files_with, head_of, part_folders
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder, require_inside

_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
_MAX_BYTES = 1 << 28


@SOURCES.register()
class BoxCsv(ObjectSource):
    """Columns filename, width, height, class, xmin, ymin, xmax, ymax; a folder a part, or one folder.

    The table does not tell pictures without an object from those that nobody labelled: pictures without a row are left
    out.
    """

    kind: Literal["box_csv"] = "box_csv"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for file in _tables(place, root):
                return Sighting(f"{file.relative_to(root)} has the columns {','.join(_COLUMNS)}", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        own = _tables(root, root)
        found = {part: files[0] for part, place in part_folders(root).items() if (files := _tables(place, root))}
        if not own and not found:
            raise InputError(f"{root}: holds no CSV with the columns {','.join(_COLUMNS)}")
        return {"train": own[0]} if own else found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        file = self.parts()[part]
        root = require_folder(self.root, "data.root")
        require_inside(file, root)
        sizes, shapes = _read(file)
        counts = tally(shape.label for found in shapes.values() for shape in found)
        counted = counted_classes(counts, self.classes, file)
        names = list(shapes)
        images = find_images(names, [file.parent, file.parent / "images"], file)
        annotations = [
            Annotation(
                image,
                file,
                name,
                partial(given, as_points(shape.point(self.point) for shape in shapes[name] if shape.label in counted)),
                own,
                size=sizes[name],
            )
            for image, name, own in zip(images, names, image_ids(names), strict=True)
        ]
        return Labels(annotations, (classes_note(counts, counted),))


def _tables(folder: Path, root: Path) -> list[Path]:
    columns = [column.encode() for column in _COLUMNS]
    return [
        file
        for file in files_with(folder, {".csv"})
        if all(column in head_of(file, root, 512).lower() for column in columns)
    ]


def _read(file: Path) -> tuple[dict[str, tuple[int, int]], dict[str, list[Shape]]]:
    sizes: dict[str, tuple[int, int]] = {}
    shapes: dict[str, list[Shape]] = {}
    with opened_sheet(file, _MAX_BYTES, _COLUMNS) as sheet:
        places = [sheet.header.index(column) for column in _COLUMNS]
        for objects, (line, row) in enumerate(sheet.rows):
            if len(row) <= max(places) or objects > MAX_OBJECTS:
                raise InputError(f"{file}: row {line}: should have {len(sheet.header)} cells, in {MAX_OBJECTS:,} rows")
            name, width, height, label, *sides = (row[place] for place in places)
            try:
                sizes[name] = (int(sheet.number(width)), int(sheet.number(height)))
                left, top, right, bottom = (sheet.number(side) for side in sides)
            except (ValueError, OverflowError):
                raise InputError(f"{file}: row {line}: sizes and sides should be numbers") from None
            shapes.setdefault(name, []).append(Shape(label.strip()[:200], left, top, right, bottom))
    if not shapes:
        raise InputError(f"{file}: has no row")
    return sizes, shapes
