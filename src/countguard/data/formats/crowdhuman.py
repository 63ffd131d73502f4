"""CrowdHuman (Shao et al., 2018): `annotation_train.odgt`, a JSON line a picture, with boxes of heads and bodies."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from countguard.data.annotated import Annotation, FileSource, Labels, Sighting
from countguard.data.formats.objects import Place, as_points, box_point, given
from countguard.data.images import IMAGE_SUFFIXES
from countguard.data.look import head_of, names_in, subfolders
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import open_file, require_folder, require_inside

_LINE_BYTES = 1 << 22
_FILE_BYTES = 1 << 30
_BOXES = {"head": "hbox", "visible": "vbox", "full": "fbox"}


@SOURCES.register()
class CrowdHuman(FileSource):
    """A person's head is the centre of a box. The test images have no public labels: validation images are reported on.

    Masks and boxes that the labels tell to ignore are left out. Pictures are looked for in every folder below.

    Attributes:
        box: of the head, of what is visible of the body, or of the whole body.
        point: where in the box the head is.
    """

    kind: Literal["crowdhuman"] = "crowdhuman"
    box: Literal["head", "visible", "full"] = "head"
    point: Place = "centre"

    @property
    def name(self) -> str:
        """`CrowdHuman`."""
        return "CrowdHuman"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for file in _label_files(root).values():
            if b'"gtboxes"' in head_of(file, root):
                return Sighting(f"{file.relative_to(root)} holds gtboxes", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = _label_files(root)
        if not found:
            raise InputError(f"{root}: should hold annotation_train.odgt or annotation_val.odgt")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        file = self.parts()[part]
        root = require_folder(self.root, "data.root")
        images = _images(root)
        annotations, masks, ignored = [], 0, 0
        for line, record in _records(file, root):
            name = record.get("ID")
            if not isinstance(name, str) or not name or "/" in name or "\0" in name:
                raise InputError(f"{file}: line {line}: ID should name a picture")
            heads: list[tuple[float, float]] = []
            for box in record.get("gtboxes") or []:
                where = f"{file}: line {line}: gtboxes"
                if not isinstance(box, dict):
                    raise InputError(f"{where} should be objects")
                if box.get("tag") != "person":
                    masks += 1
                elif _ignored(box, self.box):
                    ignored += 1
                else:
                    heads.append(box_point(*_sides(box.get(_BOXES[self.box]), where), self.point))
            image = images.get(name, root / "Images" / f"{name}.jpg")
            annotations.append(Annotation(image, file, f"line {line}", partial(given, as_points(heads)), name))
        notes = [f"{part}: a head is the {self.point} of the {self.box} box"]
        if masks or ignored:
            notes.append(f"{part}: left out {masks} masks and {ignored} boxes that are to be ignored")
        return Labels(annotations, tuple(notes))


def _label_files(root: Path) -> dict[Part, Path]:
    found: dict[Part, Path] = {}
    for folder in (root, root / "annotations"):
        for part in ("train", "val", "test"):
            file = folder / f"annotation_{part}.odgt"
            if file.is_file():
                found.setdefault(part, file)
    return found


def _images(root: Path) -> dict[str, Path]:
    """Pictures by their stems, of the folder and of those two levels below: CrowdHuman_train01/Images and alike."""
    folders = [root, *subfolders(root)]
    folders += [inner for folder in subfolders(root) for inner in subfolders(folder)]
    return {
        Path(name).stem: folder / name
        for folder in folders
        for name in names_in(folder)
        if Path(name).suffix.lower() in IMAGE_SUFFIXES
    }


def _records(file: Path, root: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    require_inside(file, root.resolve())
    with open_file(file, _FILE_BYTES) as stream:
        line = 0
        while text := stream.readline(_LINE_BYTES + 1):
            line += 1
            if len(text) > _LINE_BYTES:
                raise InputError(f"{file}: line {line}: has more than {_LINE_BYTES:,} bytes")
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{file}: line {line}: is not JSON ({str(error)[:80]})") from None
            if not isinstance(record, dict):
                raise InputError(f"{file}: line {line}: should be an object with ID and gtboxes")
            yield line, record


def _ignored(box: dict[str, Any], which: str) -> bool:
    marks = [box.get("extra"), box.get("head_attr") if which == "head" else None]
    return any(isinstance(mark, dict) and mark.get("ignore") for mark in marks)


def _sides(box: Any, where: str) -> tuple[float, float, float, float]:
    try:
        x, y, width, height = (float(value) for value in box)
    except (TypeError, ValueError):
        raise InputError(f"{where}: a box should be x, y, width and height") from None
    return x, y, width, height
