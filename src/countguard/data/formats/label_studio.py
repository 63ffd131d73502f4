"""Label Studio: its JSON and JSON-MIN exports. x and y are percent of the picture's sides."""

import re
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from countguard.data.annotated import Annotation, Labels, Sighting
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
from countguard.data.look import files_with, head_of, part_folders, pictures_in
from countguard.data.point_tables import MAX_IMAGES
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_TASKS = re.compile(rb"^\s*(?:\xef\xbb\xbf)?\s*\[\s*\{")
_MARKS = (b'labels"', b'"annotations"', b'"completions"')
_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an upload."""
_KINDS = ("keypoint", "rectangle", "ellipse", "polygon")


@SOURCES.register()
class LabelStudio(ObjectSource):
    """Keypoints, rectangles, ellipses and polygons; a task that nobody labelled is left out.

    Where several people labelled a picture, the first one's labels are taken. Pictures are looked for beside the export
    and in `images`, with and without the eight signs that an upload's name begins with.
    """

    kind: Literal["label_studio"] = "label_studio"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for file in _label_files(place, root):
                return Sighting(f"{file.relative_to(root)} holds tasks of Label Studio", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = {part: files[0] for part, place in part_folders(root).items() if (files := _label_files(place, root))}
        files = _label_files(root, root)
        if len(files) > 1:
            raise InputError(f"{root}: holds {files[0].name} and {files[1].name}; one of them should go")
        if not files and not found:
            raise InputError(f"{root}: holds no export of Label Studio")
        return {"train": files[0]} if files else found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        file = self.parts()[part]
        root = require_folder(self.root, "data.root")
        names: list[str] = []
        shapes: list[list[Shape]] = []
        unlabelled, several = [], 0
        for place, task in json_entries(file, root):
            where = f"{file}: task {place[-1]}"
            if not isinstance(task, dict) or len(names) > MAX_IMAGES:
                raise InputError(f"{where}: should be a task with an image, of at most {MAX_IMAGES:,}")
            name, results, labelled = _task(task, where)
            several += labelled > 1
            if not labelled:
                unlabelled.append(name)
                continue
            names.append(name)
            shapes.append([_shape(result, where) for result in results])
        counts = tally(shape.label for found in shapes for shape in found)
        counted = counted_classes(counts, self.classes, file)
        names = _on_disk(names, file, root)
        images = find_images(names, [file.parent, file.parent / "images", root, root / "images"], file)
        annotations = [
            Annotation(
                image,
                file,
                f"task of {image.name}",
                partial(given, as_points(shape.point(self.point) for shape in found if shape.label in counted) / 100),
                name,
                relative=True,
            )
            for image, found, name in zip(images, shapes, image_ids(names), strict=True)
        ]
        notes = [classes_note(counts, counted)] if counts else []
        notes += [f"{len(unlabelled)} tasks have no labels; they are left out: {', '.join(unlabelled[:5])}"] * bool(
            unlabelled
        )
        notes += [f"{several} pictures were labelled by several people; the first one's labels are taken"] * bool(
            several
        )
        return Labels(annotations, tuple(notes))


def _label_files(folder: Path, root: Path) -> list[Path]:
    found = []
    for file in files_with(folder, {".json"}):
        head = head_of(file, root)
        if _TASKS.match(head) and any(mark in head for mark in _MARKS):
            found.append(file)
    return found


def _task(task: dict[str, Any], where: str) -> tuple[str, list[Any], int]:
    """The picture's name, the results of the first labelling, and how many there are."""
    if "annotations" in task or "completions" in task:
        labellings = [
            labelling
            for labelling in task.get("annotations") or task.get("completions") or []
            if isinstance(labelling, dict) and not labelling.get("was_cancelled")
        ]
        data = task.get("data")
        results = labellings[0].get("result") if labellings else []
        return _picture(data if isinstance(data, dict) else {}, where), _list(results, where), len(labellings)
    results = [
        entry for value in task.values() if isinstance(value, list) for entry in value if isinstance(entry, dict)
    ]
    return _picture(task, where), results, 1 if "annotation_id" in task or results else 0


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{where}: result should be a list")
    return value


def _picture(data: dict[str, Any], where: str) -> str:
    """The name of the picture in whatever address the task has: `/data/upload/1/x.jpg`, `?d=a/x.jpg`, `s3://b/x.jpg`."""
    addresses = [value for value in data.values() if isinstance(value, str) and re.search(r"\.\w{3,4}(\?|$)", value)]
    image = data.get("image", addresses[0] if addresses else None)
    if not isinstance(image, str) or not image:
        raise InputError(f"{where}: has no image")
    parts = urlsplit(image)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path or image).rpartition("/")[2]


def _on_disk(names: list[str], file: Path, root: Path) -> list[str]:
    """Names as the files have them: uploads may have lost the eight signs before their own name."""
    folders = (file.parent, file.parent / "images", root, root / "images")
    there = {path.name for folder in folders for path in pictures_in(folder)}
    return [plain if name not in there and (plain := _PREFIX.sub("", name)) in there else name for name in names]


def _shape(result: Any, where: str) -> Shape:
    value = result.get("value", result) if isinstance(result, dict) else None
    if not isinstance(value, dict):
        raise InputError(f"{where}: a result has no value")
    labels: list[object] = next(
        (value[key] for key in value if key.endswith("labels") and isinstance(value[key], list)), []
    )
    label = str(labels[0])[:200] if labels else ""
    kind = str(result.get("type", "")) or next((key for key in value if key.endswith("labels")), "")

    def side(name: str) -> float:
        return number(value.get(name), f"{where}: {name}")

    if "radiusX" in value:
        x, y, wide, high = side("x"), side("y"), side("radiusX"), side("radiusY")
        return Shape(label, x - wide, y - high, x + wide, y + high)
    if isinstance(points := value.get("points"), list) and points:
        if not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise InputError(f"{where}: points should be x and y of each")
        return around(label, [(number(x, where), number(y, where)) for x, y in points])
    if kind.startswith("keypoint") or "height" not in value:
        x, y = side("x"), side("y")
        return Shape(label, x, y, x, y)
    if not kind.startswith(_KINDS) and kind != "labels":
        raise InputError(f"{where}: a result of the type {kind[:40]!r} stands for no head")
    x, y = side("x"), side("y")
    return Shape(label, x, y, x + side("width"), y + side("height"))
