"""COCO (Lin et al., ECCV 2014), keypoints or boxes, in COCO's own layout, Roboflow's, CVAT's and Label Studio's."""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, Labels, Sighting
from countguard.data.formats.images_of import find_images, image_ids
from countguard.data.formats.objects import MAX_OBJECTS, ObjectSource, box_point, classes_note, counted_classes
from countguard.data.json_stream import json_entries
from countguard.data.look import files_with, head_of, part_folders, part_named_by, some, subfolder
from countguard.data.matfile import MAX_HEADS
from countguard.data.point_tables import MAX_IMAGES
from countguard.data.source import PARTS, SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_MARKS = re.compile(rb'"(?:image_id|file_name)"\s*:')
_TOP = re.compile(rb'^\s*(?:\xef\xbb\xbf)?\s*\{\s*"(?:info|licenses|images|annotations|categories)"\s*:')
_OTHER_TASKS = ("captions", "stuff", "panoptic", "image_info")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@SOURCES.register()
class Coco(ObjectSource):
    """Pictures with one JSON a part: `images`, `annotations`, `categories`.

    A person's point is the mean of the visible keypoints of the face, or a keypoint called head; without keypoints, or
    with `objects: boxes`, a place in the box. Annotations with `iscrowd` are left out: a crowd is no head.

    Attributes:
        objects: keypoints or boxes, where both are there.
    """

    kind: Literal["coco"] = "coco"
    objects: Literal["keypoints", "boxes"] | None = None

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for file, _ in _label_files(root):
            return Sighting(f"{file.relative_to(root)} holds COCO's images and annotations", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found: dict[Part, list[Path]] = {}
        for file, part in _label_files(root):
            found.setdefault(part or "train", []).append(file)
        if not found:
            raise InputError(f"{root}: holds no JSON file with COCO's images and annotations")
        return {part: self._one(found[part]) for part in PARTS if part in found}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        file = self.parts()[part]
        root = require_folder(self.root, "data.root")
        table = _read(file, root, self)
        names = [image.name for image in table.images.values()]
        folders = [file.parent, *_image_folders(root, file, part)]
        paths = find_images(names, folders, file)
        annotations = [
            Annotation(
                path,
                file,
                f"image {image.name}",
                partial(table.points, key),
                id=name,
                size=image.size,
            )
            for (key, image), path, name in zip(table.images.items(), paths, image_ids(names), strict=True)
        ]
        return Labels(annotations, table.notes)

    def _one(self, files: Sequence[Path]) -> Path:
        if len(files) == 1:
            return files[0]
        mark = {"keypoints": "keypoints", "boxes": "instances"}.get(self.objects or "")
        chosen = [file for file in files if mark and mark in file.stem]
        if len(chosen) == 1:
            return chosen[0]
        raise InputError(
            f"{files[0].parent}: holds {some([file.name for file in files])}; data.objects: keypoints or boxes says "
            "which one is read, or leave one of them there"
        )


@dataclass(slots=True)
class _Image:
    name: str
    size: tuple[int, int] | None


@dataclass(slots=True)
class _Table:
    """Images by their id, and for each the class and the point of its objects."""

    file: Path
    images: dict[int | str, _Image] = field(default_factory=dict)
    objects: dict[int | str, "array[float]"] = field(default_factory=dict)
    counted: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    def points(self, image: int | str) -> NDArray[np.float64]:
        found = np.array(self.objects.get(image, array("d"))).reshape(-1, 3)
        points = found[np.isin(found[:, 0], list(self.counted)), 1:]
        if len(points) > MAX_HEADS:
            raise InputError(f"{self.file}: {self.images[image].name}: has more than {MAX_HEADS:,} heads")
        return points


def _label_files(root: Path) -> Iterator[tuple[Path, Part | None]]:
    places: list[tuple[Path, Part | None]] = [(root, None)]
    places += [(folder, None) for name in ("annotations", "labels") if (folder := subfolder(root, name))]
    for part, folder in part_folders(root).items():
        places += [(folder, part)]
        places += [(inner, part) for inner in [subfolder(folder, "annotations")] if inner]
    for folder, of_folder in places:
        for file in files_with(folder, {".json"}):
            head = head_of(file, root)
            if file.stem.startswith(_OTHER_TASKS) or not _TOP.match(head) or not _MARKS.search(head):
                continue
            yield file, of_folder or _part_in_name(file.stem)


def _part_in_name(stem: str) -> Part | None:
    parts = {part for word in re.split(r"[^a-z]+", stem.casefold()) if (part := part_named_by(word))}
    return parts.pop() if len(parts) == 1 else None


def _image_folders(root: Path, file: Path, part: Part) -> list[Path]:
    """Where the pictures of a label file may be, beside its own folder."""
    tail = re.search(r"(?:train|val|test)\w*$", file.stem)
    named = [subfolder(root, tail[0])] if tail else []
    folders = [
        *named,
        part_folders(root).get(part),
        *(subfolder(root, name) for name in ("images", "JPEGImages", "data")),
    ]
    inside = [subfolder(folder, "images") for folder in (root, file.parent, part_folders(root).get(part)) if folder]
    below = [part_folders(folder).get(part) for folder in inside if folder]
    tails = [subfolder(folder, tail[0]) for folder in inside if folder and tail]
    return [folder for folder in (*folders, *below, *tails, *inside, root) if folder is not None]


def _read(file: Path, root: Path, source: Coco) -> _Table:
    """Images and objects. The classes are read first: in COCO's own files they come last."""
    names: dict[int, str] = {}
    groups: set[str] = set()
    face: dict[int, list[int]] = {}
    for place, entry in json_entries(file, root):
        if place[0] == "categories":
            number = _whole(entry, "id", file, place)
            names[number] = str(entry.get("name", number))
            groups.add(str(entry.get("supercategory")))
            if source.objects != "boxes":
                face[number] = _face_of(entry)
    table = _Table(file)
    tallies: dict[str, int] = {}
    crowds = faceless = objects = 0
    for place, entry in json_entries(file, root):
        if place[0] == "images":
            _add_image(table, entry, place)
        elif place[0] == "annotations":
            objects += 1
            if objects > MAX_OBJECTS:
                raise InputError(f"{file}: has more than {MAX_OBJECTS:,} annotations")
            kind = _whole(entry, "category_id", file, place)
            if entry.get("iscrowd"):
                crowds += 1
                continue
            found = _face_point(entry, face.get(kind, []), file, place)
            if found is None:
                faceless += bool(face.get(kind))
                # without its face, a body's head is at its box's upper edge
                found = _of_box(entry, "top" if face.get(kind) else source.point, file, place)
            key = entry.get("image_id")
            if not isinstance(key, int | str):
                raise InputError(f"{file}: {_dotted(place)}: image_id should name an image")
            table.objects.setdefault(key, array("d")).extend((kind, *found))
            name = names.get(kind, str(kind))
            tallies[name] = tallies.get(name, 0) + 1
    if strangers := [key for key in table.objects if key not in table.images]:
        raise InputError(f"{file}: annotations name image {strangers[0]!r}, which is not among its images")
    declared = {name: 0 for name in names.values() if name not in groups}  # Roboflow lists its groups as classes, too
    counted = counted_classes((declared or dict.fromkeys(names.values(), 0)) | tallies, source.classes, file)
    table.counted = frozenset(
        number for number in {*names, *_kinds(table)} if names.get(number, str(number)) in counted
    )
    notes = [classes_note(tallies, counted)] if tallies else []
    notes += [f"{crowds} annotations with iscrowd are left out: regions of a crowd"] if crowds else []
    notes += (
        [f"{faceless} people show no keypoint of the face: the upper edge of their box was taken"] if faceless else []
    )
    table.notes = tuple(notes)
    return table


def _kinds(table: _Table) -> set[int]:
    return {int(kind) for objects in table.objects.values() for kind in set(objects[::3])}


def _add_image(table: _Table, entry: Any, place: tuple[str | int, ...]) -> None:
    if not isinstance(entry, dict) or not isinstance(name := entry.get("file_name"), str):
        raise InputError(f"{table.file}: {_dotted(place)}: file_name should name a picture")
    key = entry.get("id")
    if not isinstance(key, int | str) or key in table.images:
        raise InputError(f"{table.file}: {_dotted(place)}: id should be a number of its own")
    if len(table.images) >= MAX_IMAGES:
        raise InputError(f"{table.file}: names more than {MAX_IMAGES:,} images")
    width, height = entry.get("width"), entry.get("height")
    stated = isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0
    table.images[key] = _Image(name, (width, height) if stated else None)  # type: ignore[arg-type]


def _face_of(category: Mapping[str, Any]) -> list[int]:
    """Which keypoints of a class are on the head: one called head, or all of the face, or the only one there is."""
    names = [str(name).casefold() for name in category.get("keypoints") or [] if isinstance(name, str)]
    heads = [index for index, name in enumerate(names) if name in ("head", "head_center", "head_centre")]
    if heads:
        return heads[:1]
    face = [index for index, name in enumerate(names) if name.replace(" ", "_") in _FACE]
    return face or ([0] if len(names) == 1 else [])


def _face_point(
    entry: Mapping[str, Any], face: Sequence[int], file: Path, place: tuple[str | int, ...]
) -> tuple[float, float] | None:
    """The mean of the visible keypoints of the face; None where none is visible."""
    keypoints = entry.get("keypoints")
    if not face or not keypoints:
        return None
    try:
        seen = [keypoints[3 * index : 3 * index + 3] for index in face]
        visible = [(float(x), float(y)) for x, y, state in seen if state]
    except (TypeError, ValueError):
        raise InputError(f"{file}: {_dotted(place)}: keypoints should be x, y and visibility of each") from None
    if not visible:
        return None
    x, y = np.mean(visible, axis=0)
    return float(x), float(y)


def _of_box(
    entry: Mapping[str, Any], where: Literal["centre", "top"], file: Path, place: tuple[str | int, ...]
) -> tuple[float, float]:
    try:
        x, y, width, height = (float(value) for value in entry["bbox"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{file}: {_dotted(place)}: bbox should be x, y, width and height") from None
    return box_point(x, y, width, height, where)


def _whole(entry: Any, name: str, file: Path, place: tuple[str | int, ...]) -> int:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 1 << 50:
        raise InputError(f"{file}: {_dotted(place)}: {name} should be a whole number")
    return value


def _dotted(place: tuple[str | int, ...]) -> str:
    return ".".join(str(part)[:80] for part in place)
