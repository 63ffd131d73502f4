"""VGG Image Annotator (Dutta and Zisserman, ACM MM 2019): JSON, project and CSV of version 2, projects of version 3."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from countguard.data.annotated import Annotation, Labels, Sighting
from countguard.data.csv_dialect import opened_sheet
from countguard.data.formats.images_of import find_images, image_ids
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
from countguard.data.look import files_with, head_of, part_folders
from countguard.data.point_tables import MAX_IMAGES
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder, require_inside

_METADATA = "_via_img_metadata"
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_MAX_CSV_BYTES = 1 << 28
_SHAPES_3: Mapping[int, tuple[str, tuple[str, ...]]] = {
    1: ("point", ("cx", "cy")),
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
}
"""The shapes of version 3 by their numbers; those above are lines and outlines."""


@dataclass(frozen=True, slots=True)
class ViaEntry:
    """One picture of a label file: its name, and its regions as they stand there."""

    filename: str
    regions: list[Mapping[str, Any]]


@SOURCES.register()
class Via(ObjectSource):
    """Label files beside the pictures, or in a folder with `images`; `train`, `val` and `test` folders are parts.

    Attributes:
        attribute: of the regions, that holds their class; None where they have one attribute or none.
    """

    kind: Literal["via"] = "via"
    attribute: str | None = None

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for file in _label_files(place, root):
                return Sighting(f"{file.relative_to(root)} holds regions of the VGG image annotator", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        if _label_files(root, root):
            return {"train": root}
        found = {part: place for part, place in part_folders(root).items() if _label_files(place, root)}
        if not found:
            raise InputError(f"{root}: holds no label file of the VGG image annotator")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        root = require_folder(self.root, "data.root")
        pairs = [(file, entry) for file in _label_files(folder, root) for entry in _entries(file, root)]
        if len(pairs) > MAX_IMAGES:
            raise InputError(f"{folder}: its label files name more than {MAX_IMAGES:,} pictures")
        shapes = [via_shapes(entry, file, self.attribute) for file, entry in pairs]
        counts = tally(shape.label for found in shapes for shape in found)
        counted = counted_classes(counts, self.classes, folder)
        names = [entry.filename for _, entry in pairs]
        images = find_images(names, [folder, folder / "images", root, root / "images"], folder)
        annotations = [
            Annotation(
                image,
                file,
                entry.filename,
                partial(given, as_points(shape.point(self.point) for shape in found if shape.label in counted)),
                name,
            )
            for image, (file, entry), found, name in zip(images, pairs, shapes, image_ids(names), strict=True)
        ]
        return Labels(annotations, (classes_note(counts, counted),) if counts else ())


def via_entries(file: Path, root: Path) -> Iterator[ViaEntry]:
    """The pictures of a JSON file or a project of the annotator.

    Raises:
        InputError: it is none.
    """
    for place, entry in json_entries(file, root, opened={_METADATA}):
        if isinstance(place[0], str) and place[0].startswith("_via_") and place[0] != _METADATA:
            continue
        where = f"{file}: {str(place[-1])[:80]}"
        if not isinstance(entry, dict) or not isinstance(name := entry.get("filename"), str):
            raise InputError(f"{where}: should have a filename and regions")
        regions = entry.get("regions") or []
        found = list(regions.values()) if isinstance(regions, dict) else regions  # version 1 has an object
        if not isinstance(found, list) or not all(isinstance(region, dict) for region in found):
            raise InputError(f"{where}: regions should be objects")
        yield ViaEntry(name, found)


def _project_3(file: Path, root: Path) -> Iterator[ViaEntry]:
    """The pictures of a project of version 3, whose regions are lists of numbers that begin with their shape."""
    names: dict[str, str] = {}
    views: dict[str, str] = {}
    regions: dict[str, list[Mapping[str, Any]]] = {}
    for place, entry in json_entries(file, root, opened={"file", "view", "metadata"}):
        where = f"{file}: {'.'.join(str(part)[:80] for part in place)}"
        if place[0] in ("file", "view", "metadata") and not isinstance(entry, dict):
            raise InputError(f"{where}: should be an object")
        if place[0] == "file":
            names[str(entry.get("fid", place[-1]))] = str(entry.get("fname") or entry.get("src") or "")
        elif place[0] == "view":
            files = entry.get("fid_list") or []
            if len(files) == 1:
                views[str(place[-1])] = str(files[0])
        elif place[0] == "metadata" and isinstance(drawn := entry.get("xy"), list) and drawn:
            regions.setdefault(str(entry.get("vid")), []).append(_region_3(drawn, entry.get("av"), where))
    for view, name in views.items():
        if name in names:
            yield ViaEntry(names[name], regions.get(view, []))


def _region_3(drawn: list[Any], attributes: object, where: str) -> Mapping[str, Any]:
    """A region of version 3 as version 2 writes it."""
    sides = _SHAPES_3.get(drawn[0] if isinstance(drawn[0], int) else -1)
    described = attributes if isinstance(attributes, dict) else {}
    if sides is not None:
        name, keys = sides
        if len(drawn) < 1 + len(keys):
            raise InputError(f"{where}: xy should have {len(keys)} numbers after its shape")
        return {
            "shape_attributes": {"name": name, **dict(zip(keys, drawn[1:], strict=False))},
            "region_attributes": described,
        }
    shape = {"name": "polygon", "all_points_x": drawn[1::2], "all_points_y": drawn[2::2]}
    return {"shape_attributes": shape, "region_attributes": described}


def via_shapes(entry: ViaEntry, file: Path, attribute: str | None) -> list[Shape]:
    """The regions of one picture.

    Args:
        entry: of the label file.
        file: named in errors.
        attribute: that holds the class; None takes the only one.

    Raises:
        InputError: a region is of an unknown shape, or has several attributes and none is chosen.
    """
    return [_shape(region, attribute, f"{file}: {entry.filename[:80]}") for region in entry.regions]


def _label_files(folder: Path, root: Path) -> list[Path]:
    found = []
    for file in files_with(folder, {".json", ".csv"}):
        head = head_of(file, root)
        if file.suffix.lower() == ".json":
            mine = b'"_via_settings"' in head or (b'"regions"' in head and b'"filename"' in head)
            mine = mine or _is_project_3(head)
        else:
            mine = b"region_shape_attributes" in head[:500]
        if mine:
            found.append(file)
    return found


def _is_project_3(head: bytes) -> bool:
    return b'"project"' in head and b'"vid_list"' in head


def _entries(file: Path, root: Path) -> Iterator[ViaEntry]:
    if file.suffix.lower() == ".csv":
        return _csv_entries(file, root)
    return _project_3(file, root) if _is_project_3(head_of(file, root)) else via_entries(file, root)


def _csv_entries(file: Path, root: Path) -> Iterator[ViaEntry]:
    require_inside(file, root)
    found: dict[str, list[Mapping[str, Any]]] = {}
    with opened_sheet(file, _MAX_CSV_BYTES, _COLUMNS) as sheet:
        name, shape, attributes = (sheet.header.index(column) for column in _COLUMNS)
        for line, row in sheet.rows:
            if len(row) <= max(name, shape, attributes):
                raise InputError(f"{file}: row {line}: has {len(row)} cells; it should have {len(sheet.header)}")
            regions = found.setdefault(row[name], [])
            try:
                drawn, described = json.loads(row[shape] or "{}"), json.loads(row[attributes] or "{}")
            except (ValueError, RecursionError):
                raise InputError(f"{file}: row {line}: its region is not JSON") from None
            if drawn:
                regions.append({"shape_attributes": drawn, "region_attributes": described})
    return (ViaEntry(name, regions) for name, regions in found.items())


def _shape(region: Mapping[str, Any], attribute: str | None, where: str) -> Shape:
    drawn, label = region.get("shape_attributes"), _label(region.get("region_attributes"), attribute, where)
    if not isinstance(drawn, dict):
        raise InputError(f"{where}: a region has no shape_attributes")

    def side(name: str) -> float:
        return number(drawn.get(name), f"{where}: {name}")

    kind = drawn.get("name")
    if kind in ("point", "circle", "ellipse"):
        x, y = side("cx"), side("cy")
        across = {"circle": ("r", "r"), "ellipse": ("rx", "ry")}.get(str(kind))
        wide, high = (side(across[0]), side(across[1])) if across else (0.0, 0.0)
        return Shape(label, x - wide, y - high, x + wide, y + high)
    if kind == "rect":
        x, y = side("x"), side("y")
        return Shape(label, x, y, x + side("width"), y + side("height"))
    xs, ys = drawn.get("all_points_x"), drawn.get("all_points_y")
    if isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys) > 0:
        return around(label, [(number(x, where), number(y, where)) for x, y in zip(xs, ys, strict=True)])
    raise InputError(f"{where}: a region of the shape {str(kind)[:40]!r} stands for no head")


def _label(attributes: object, attribute: str | None, where: str) -> str:
    if not isinstance(attributes, dict) or not attributes:
        return ""
    if attribute is None and len(attributes) > 1:
        raise InputError(
            f"{where}: regions have {', '.join(map(str, attributes))}; data.attribute says which is the class"
        )
    value = attributes.get(attribute) if attribute else next(iter(attributes.values()))
    if isinstance(value, dict):  # boxes that were ticked
        value = ", ".join(str(name) for name, ticked in value.items() if ticked)
    return "" if value is None else str(value)[:200]
