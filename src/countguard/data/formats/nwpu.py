"""NWPU-Crowd (Wang et al., TPAMI 2020): `images`, `jsons` or `mats`, and `train.txt`, `val.txt`, `test.txt`."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting
from countguard.data.formats.objects import as_points, number
from countguard.data.formats.text_rows import text_lines
from countguard.data.json_stream import json_entries
from countguard.data.look import pictures_in, some, subfolder, subfolders
from countguard.data.mat_points import read_ann_points
from countguard.data.matfile import MAX_HEADS
from countguard.data.source import PARTS, SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder


@SOURCES.register()
class Nwpu(FileSource):
    """Lists name the pictures of each part by their stems; `mats/0001.mat` holds `annPoints`, `jsons/0001.json` points.

    Pictures are in `images`, or in `images_part1` to `images_part5` as they are downloaded. The labels of the test
    images are not public: without them results are reported on the validation images. Other sets that were prepared in
    this layout, by the code bases of NWPU-Crowd's authors, are read as well.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["nwpu"] = "nwpu"

    @property
    def name(self) -> str:
        """`NWPU-Crowd`, or the name of another folder in this layout."""
        own = self.root.resolve().name
        return "NWPU-Crowd" if "nwpu" in own.casefold() else own

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        labels, lists = _label_folder(root), [f"{part}.txt" for part in PARTS if (root / f"{part}.txt").is_file()]
        if labels is None or not lists or not _image_folders(root):
            return None
        return Sighting(f"holds {some(lists)} and {labels.name}", {})

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        labels = _label_folder(root)
        if labels is None:
            raise InputError(f"{root}: should hold the folder jsons or mats")
        lists = {part: root / f"{part}.txt" for part in PARTS if (root / f"{part}.txt").is_file()}
        if not lists:
            raise InputError(f"{root}: should hold train.txt, val.txt or test.txt")
        return {part: file for part, file in lists.items() if part != "test" or _labelled(file, root, labels)}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        file, labels = self.parts()[part], _label_folder(root)
        assert labels is not None
        images = {image.stem: image for folder in _image_folders(root) for image in pictures_in(folder)}
        missing = _image_folders(root)[0]
        stems = _stems(file, root)
        suffix = ".mat" if labels.name.casefold() == "mats" else ".json"
        read, field = (
            (read_ann_points, "annPoints") if suffix == ".mat" else (partial(_json_points, root=root), "points")
        )
        annotations = [
            Annotation(
                images.get(stem, missing / f"{stem}.jpg"),
                labels / f"{stem}{suffix}",
                field,
                partial(read, labels / f"{stem}{suffix}"),
            )
            for stem in stems
        ]
        notes = [f"{part}: heads are read in {labels.name}"]
        if part != "test" and "test" not in self.parts() and (root / "test.txt").is_file():
            unlabelled = len(_stems(root / "test.txt", root))
            notes.append(f"the {unlabelled} test images have no labels; results are reported on the validation images")
        return Labels(annotations, tuple(notes), (file,))


def _label_folder(root: Path) -> Path | None:
    return subfolder(root, "mats") or subfolder(root, "jsons")


def _image_folders(root: Path) -> list[Path]:
    return [folder for folder in subfolders(root) if folder.name.casefold().startswith("images")]


def _stems(file: Path, root: Path) -> list[str]:
    """The first word of each line; the others are the light and the kind of scene."""
    stems = []
    for line, text in text_lines(file, root):
        stem = text.split()[0].removesuffix(".jpg")
        if "/" in stem or "\\" in stem or "\0" in stem or stem in {".", ".."}:
            raise InputError(f"{file}: line {line}: {stem[:60]!r} should be the name of a picture, without a path")
        stems.append(stem)
    return stems


def _labelled(file: Path, root: Path, labels: Path) -> bool:
    return any((labels / f"{stem}{suffix}").is_file() for stem in _stems(file, root) for suffix in (".mat", ".json"))


def _json_points(path: Path, root: Path) -> NDArray[np.float64]:
    points: list[tuple[float, float]] = []
    stated: Any = None
    for place, entry in json_entries(path, root):
        if place == ("human_num",):
            stated = entry
        if place[0] != "points":
            continue
        where = f"{path}: points.{place[-1]}"
        if not isinstance(entry, list) or len(entry) != 2 or len(points) > MAX_HEADS:
            raise InputError(f"{where}: should be x and y, of at most {MAX_HEADS:,} heads")
        points.append((number(entry[0], where), number(entry[1], where)))
    if isinstance(stated, int) and stated != len(points):
        raise InputError(f"{path}: human_num: says {stated}, points has {len(points)}")
    return as_points(points)
