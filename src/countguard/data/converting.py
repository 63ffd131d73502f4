"""A data set of any format that is read, written in a format that others read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args, overload

from countguard.csv_text import csv_lines
from countguard.data.crowd import Crowd
from countguard.data.source import Part, Source, skipped_of
from countguard.data.writing import (
    PUBLIC_TRUTHS,
    Progress,
    write_coco,
    write_folder,
    write_shanghaitech,
)
from countguard.errors import InputError
from countguard.writing import whole_folder, write_atomically

Target: TypeAlias = Literal["folder", "shanghaitech", "coco"]


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written of one part.

    Attributes:
        part: of the set.
        images: how many.
        heads: all together.
        skipped: a line for each bad file that was left out.
    """

    part: Part
    images: int
    heads: int
    skipped: tuple[str, ...]


def convert_data(source: Source, target: str, out: Path, *, progress: Progress | None = None) -> list[Converted]:
    """Writes every part of a data set, losslessly, as PNG pictures with their heads.

    `folder` writes `images` and `points.csv`, in `train`, `val` and `test` where there are several parts.
    `shanghaitech` writes `part_B/train_data` and so on, with pictures numbered and called `.jpg`, as public loaders
    expect them, and `train_names.csv` with what they were called. `coco` writes `images/train` and
    `annotations/person_keypoints_train.json`.

    Args:
        source: of any format.
        target: one of these three.
        out: a new or empty folder.
        progress: hears how many pictures of a part are written.

    Raises:
        InputError: there is no such target, `out` holds something, or the set is not usable; nothing is left.
        RunError: the disk is full or `out` cannot be written to.
    """
    if target not in get_args(Target):
        raise InputError(f"--to {target}: should be one of {', '.join(get_args(Target))}")
    parts = {part: source.crowds(part) for part in source.parts()}
    letter: Literal["A", "B"] = "A" if getattr(source, "part", None) == "A" else "B"
    with whole_folder(out) as folder:
        for part, crowds in parts.items():
            if target == "folder":
                write_folder(crowds, folder if list(parts) == ["train"] else folder / part, progress=progress)
            elif target == "coco":
                write_coco(crowds, folder, part, progress=progress)
            else:
                numbered = _Numbered(crowds)
                write_shanghaitech(
                    numbered, folder, letter, part, suffix=".jpg", truths=PUBLIC_TRUTHS, progress=progress
                )
                _write_names(numbered, folder / f"part_{letter}" / f"{part}_names.csv")
    return [_counted(part, crowds) for part, crowds in parts.items()]


class _Numbered(Sequence[Crowd]):
    """The same crowds with ids IMG_1, IMG_2, ...; knows what those that were asked for were called."""

    def __init__(self, crowds: Sequence[Crowd]) -> None:
        self._crowds = crowds
        self.names: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._crowds)

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> list[Crowd]: ...
    def __getitem__(self, index: int | slice) -> Crowd | list[Crowd]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        crowd = self._crowds[index]
        self.names[index] = crowd.id
        return replace(crowd, id=f"IMG_{index + 1}")


def _write_names(crowds: _Numbered, path: Path) -> None:
    rows = ((f"IMG_{index + 1}.jpg", name) for index, name in sorted(crowds.names.items()))
    write_atomically(path, csv_lines([("image", "was"), *rows]))


def _counted(part: Part, crowds: Sequence[Crowd]) -> Converted:
    images = getattr(crowds, "images", None)  # of files, heads are in memory; others are drawn again
    heads = sum(len(image.points) for image in images) if images is not None else sum(crowd.count for crowd in crowds)
    return Converted(part, len(crowds), heads, skipped_of(crowds))
