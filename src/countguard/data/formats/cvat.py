"""CVAT: its own XML, `CVAT for images 1.1`: `annotations.xml` with the pictures in `images`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from countguard.data.annotated import Annotation, Labels, Sighting
from countguard.data.formats.images_of import find_images, image_ids
from countguard.data.formats.objects import (
    MAX_OBJECTS,
    ObjectSource,
    as_points,
    classes_note,
    counted_classes,
    given,
    number,
    tally,
)
from countguard.data.formats.shapes import Shape, around
from countguard.data.formats.xml_stream import parse_xml
from countguard.data.look import files_with, head_of, part_folders, part_named_by
from countguard.data.point_tables import MAX_IMAGES
from countguard.data.source import PARTS, SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_SHAPES = ("points", "box", "ellipse", "polygon", "polyline")


@SOURCES.register()
class Cvat(ObjectSource):
    """Points, boxes, ellipses and polygons. Each point of a set of points is a head; a skeleton is one person.

    The subsets of a project that are called train, validation or test are its parts.
    """

    kind: Literal["cvat"] = "cvat"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for file in _label_files(root):
            return Sighting(f"{file.relative_to(root)} holds images of CVAT", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        files = _label_files(root)
        if not files:
            raise InputError(f"{root}: should hold annotations.xml, exported as CVAT for images 1.1")
        if len(files) > 1:
            raise InputError(f"{root}: holds {files[0].name} and {files[1].name}; one of them should go")
        if files[0].parent != root:
            return {"train": files[0]}
        subsets = {image.part for image in _read(files[0], root)[0]}
        return {part: files[0] for part in PARTS if part in subsets}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        file = self.parts()[part]
        root = require_folder(self.root, "data.root")
        found, unread = _read(file, root)
        images = [image for image in found if image.part == part]
        counts = tally(shape.label for image in images for shape in image.shapes)
        counted = counted_classes(counts, self.classes, file)
        inside = file.parent / "images"
        subsets = [inside / name for name in sorted({image.subset for image in images if image.subset})]
        folders = [inside, *subsets, *part_folders(inside).values(), file.parent]
        names = [image.name for image in images]
        annotations = [
            Annotation(
                path,
                file,
                f"image {image.name}",
                partial(given, as_points(shape.point(self.point) for shape in image.shapes if shape.label in counted)),
                name,
                size=image.size,
            )
            for path, image, name in zip(find_images(names, folders, file), images, image_ids(names), strict=True)
        ]
        notes = [classes_note(counts, counted)] if counts else []
        notes += [f"{number} objects of the kind {kind} stand for no head; left out" for kind, number in unread.items()]
        return Labels(annotations, tuple(notes))


@dataclass(slots=True)
class _Image:
    name: str
    subset: str
    size: tuple[int, int]
    shapes: list[Shape] = field(default_factory=list)

    @property
    def part(self) -> Part:
        """The part that its subset is; training where it has none."""
        return part_named_by(self.subset) or "train"


def _label_files(root: Path) -> list[Path]:
    for place in (root, root / "annotations"):
        found = []
        for file in files_with(place, {".xml"}):
            head = head_of(file, root)
            if b"<annotations>" in head and (b"<meta>" in head or b"<image " in head or b"<track " in head):
                found.append(file)
        if found:
            return found
    return []


def _read(file: Path, root: Path) -> tuple[list[_Image], dict[str, int]]:
    """The images with their shapes, and how often each kind of object comes that stands for no head."""
    images: list[_Image] = []
    unread: dict[str, int] = {}
    skeleton: tuple[str, list[Shape]] | None = None
    objects = 0

    def start(name: str, values: Mapping[str, str]) -> None:
        nonlocal objects, skeleton
        if name == "track":
            raise InputError(f"{file}: is exported as CVAT for video; export it as CVAT for images 1.1")
        if name == "image":
            if len(images) >= MAX_IMAGES:
                raise InputError(f"{file}: names more than {MAX_IMAGES:,} images")
            images.append(_image(values, file))
        elif not images or "label" not in values:
            return
        elif name == "skeleton":
            skeleton = (values["label"][:200], [])
        elif name in _SHAPES:
            found = _shapes(name, values, f"{file}: image {images[-1].name[:80]}")
            objects += len(found)
            if objects > MAX_OBJECTS:
                raise InputError(f"{file}: has more than {MAX_OBJECTS:,} objects")
            (images[-1].shapes if skeleton is None else skeleton[1]).extend(found)
        else:
            unread[name] = unread.get(name, 0) + 1

    def end(name: str, text: str) -> None:
        nonlocal skeleton
        if name == "skeleton" and skeleton is not None:
            label, joints = skeleton
            if joints:  # a body of several points is one person
                images[-1].shapes.append(around(label, [(joint.left, joint.top) for joint in joints]))
            skeleton = None

    parse_xml(file, root, start, end)
    return images, unread


def _image(values: Mapping[str, str], file: Path) -> _Image:
    where = f"{file}: image {values.get('name', '')[:80]}"
    width, height = (int(number(values.get(side), f"{where}: {side}")) for side in ("width", "height"))
    return _Image(values.get("name", ""), values.get("subset", ""), (width, height))


def _shapes(kind: str, values: Mapping[str, str], where: str) -> list[Shape]:
    label = values["label"][:200]

    def side(name: str) -> float:
        return number(values.get(name), f"{where}: {name}")

    if kind == "box":
        return [Shape(label, side("xtl"), side("ytl"), side("xbr"), side("ybr"))]
    if kind == "ellipse":
        x, y, wide, high = side("cx"), side("cy"), side("rx"), side("ry")
        return [Shape(label, x - wide, y - high, x + wide, y + high)]
    pairs = [pair.split(",") for pair in values.get("points", "").split(";") if pair]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{where}: points should be x,y;x,y")
    corners = [(number(x, where), number(y, where)) for x, y in pairs]
    return [around(label, [corner]) for corner in corners] if kind == "points" else [around(label, corners)]
