"""Looking at the folder of a data set: what is in it, by name, in bounded work."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from countguard.data.images import IMAGE_SUFFIXES, natural_order
from countguard.data.source import PARTS, Part
from countguard.errors import InputError
from countguard.reading import open_file, require_inside

MAX_ENTRIES = 2_000_000
"""Files of one data set; more are refused."""

PART_NAMES: Mapping[Part, frozenset[str]] = {
    "train": frozenset({"train", "training", "train_data", "trainset", "train_set"}),
    "val": frozenset({"val", "valid", "validation", "val_data", "valset", "dev"}),
    "test": frozenset({"test", "testing", "test_data", "testset", "test_set"}),
}
"""What the folders of the official parts are called, in any case."""


def names_in(folder: Path) -> list[str]:
    """The names in a folder, hidden ones left out, in natural order; empty where there is no such folder.

    Raises:
        InputError: more than `MAX_ENTRIES`.
        OSError: it may not be read.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, MAX_ENTRIES + 1) if not entry.name.startswith(".")]
    if len(names) > MAX_ENTRIES:
        raise InputError(f"{folder}: holds more than {MAX_ENTRIES:,} files")
    return sorted(names, key=natural_order)


def files_with(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """The files of a folder that end in one of these suffixes, given in lower case, in natural order."""
    wanted = tuple(suffixes)
    return [folder / name for name in names_in(folder) if Path(name).suffix.lower() in wanted]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order; empty where there are none, or no folder."""
    return files_with(folder, IMAGE_SUFFIXES)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order."""
    return [folder / name for name in names_in(folder) if (folder / name).is_dir()]


def subfolder(folder: Path, *names: str) -> Path | None:
    """The folder in a folder that has one of these names, in any case; None where there is none.

    Raises:
        InputError: there are two.
    """
    wanted = {name.casefold() for name in names}
    found = [path for path in subfolders(folder) if path.name.casefold() in wanted]
    if len(found) > 1:
        raise InputError(f"{folder}: holds {found[0].name} and {found[1].name}; one of them should go")
    return found[0] if found else None


def part_folders(folder: Path) -> dict[Part, Path]:
    """The folders that are named after official parts; raises as `subfolder`."""
    found = {part: subfolder(folder, *PART_NAMES[part]) for part in PARTS}
    return {part: path for part, path in found.items() if path is not None}


def part_named_by(text: str) -> Part | None:
    """The official part that a word names, such as `valid`."""
    return next((part for part in PARTS if text.casefold() in PART_NAMES[part]), None)


def all_files(root: Path) -> Iterator[Path]:
    """Every file below a folder, hidden ones and links to folders left out.

    Raises:
        InputError: more than `MAX_ENTRIES`.
    """
    seen = 0
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            seen += 1
            if seen > MAX_ENTRIES:
                raise InputError(f"{root}: holds more than {MAX_ENTRIES:,} files")
            yield Path(place) / name


def head_of(path: Path, root: Path, limit: int = 1 << 16) -> bytes:
    """The first bytes of a file of a data set, for a look at what it is; empty where it cannot be read."""
    try:
        require_inside(path, root.resolve())
        with open_file(path, 1 << 62) as file:
            return file.read(limit)
    except InputError:
        return b""


def some(names: Sequence[object], limit: int = 5) -> str:
    """The first few of many names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
