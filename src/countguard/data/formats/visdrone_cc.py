"""VisDrone crowd counting, the challenge's form of DroneCrowd (Wen et al., CVPR 2021): frames of clips with points."""

import re
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, FileSource, Labels, Sighting
from countguard.data.formats.objects import as_points
from countguard.data.formats.text_rows import first_row, number_rows, text_lines
from countguard.data.look import files_with, pictures_in, subfolder
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_ROW = re.compile(r"\d+,-?[\d.]+,-?[\d.]+,?")
_LISTS: dict[Part, str] = {"train": "trainlist.txt", "val": "vallist.txt", "test": "testlist.txt"}


@SOURCES.register()
class VisDroneCC(FileSource):
    """`sequences/00001/00001.jpg` with `annotations/00001.txt`, whose rows are frame, x, y.

    `trainlist.txt` and `testlist.txt` name the clips of the parts. A frame without a row has no head.
    """

    kind: Literal["visdrone_cc"] = "visdrone_cc"

    @property
    def name(self) -> str:
        """`VisDrone-CC`."""
        return "VisDrone-CC"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        if subfolder(root, "sequences") is None:
            return None
        for file in files_with(root / "annotations", {".txt"})[:20]:
            if _ROW.fullmatch(first_row(file, root)):
                return Sighting(f"{file.relative_to(root)} holds rows of frame,x,y", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        if not (root / "sequences").is_dir():
            raise InputError(f"{root}: should hold the folders sequences and annotations")
        lists = {part: root / name for part, name in _LISTS.items() if (root / name).is_file()}
        return lists or {"train": root}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        place = self.parts()[part]
        root = require_folder(self.root, "data.root")
        if place.is_dir():
            clips = sorted(file.stem for file in files_with(root / "annotations", {".txt"}))
        else:
            clips = [
                _plain(word, place) for _, line in text_lines(place, root) for word in line.replace(",", " ").split()
            ]
        annotations = []
        for clip in clips:
            file = root / "annotations" / f"{clip}.txt"
            frames = pictures_in(root / "sequences" / clip)
            if not frames:
                raise InputError(f"{root / 'sequences' / clip}: holds no picture; {place.name} names this clip")
            heads = _ClipHeads(file, root)
            for frame in frames:
                read = partial(heads.of, frame.stem)
                annotations.append(Annotation(frame, file, f"frame {frame.stem}", read, f"{clip}-{frame.stem}"))
        return Labels(annotations, files=(place,) if place.is_file() else ())


class _ClipHeads:
    """The heads of one clip by the numbers of its frames, read when the first one is asked for."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file = file
        self._root = root
        self._heads: dict[int, list[tuple[float, float]]] | None = None

    def of(self, frame: str) -> NDArray[np.float64]:
        if self._heads is None:
            heads: dict[int, list[tuple[float, float]]] = {}
            for _, row in number_rows(self._file, self._root, "frame x y", ","):
                heads.setdefault(int(row[0]), []).append((row[1], row[2]))
            self._heads = heads
        if not (digits := re.search(r"\d+$", frame)):
            raise InputError(f"{self._file}: frame {frame[:40]!r} has no number")
        return as_points(self._heads.get(int(digits[0]), []))


def _plain(word: str, file: Path) -> str:
    if "/" in word or "\\" in word or word in {".", ".."} or "\0" in word:
        raise InputError(f"{file}: {word[:60]!r} should be the name of a clip, without a path")
    return word
