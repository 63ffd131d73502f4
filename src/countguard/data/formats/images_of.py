"""From the names in a label file to the pictures on disk."""

from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from countguard.data.look import some
from countguard.errors import InputError

_TRIED = 50


def find_images(names: Sequence[str], folders: Sequence[Path], file: Path) -> list[Path]:
    """The paths of pictures that a label file names, in the folder that holds most of the first ones.

    A name may have folders in it. Names that lead out of the folder, such as those of another machine, count by their
    last part.

    Args:
        names: as the label file has them.
        folders: where they may be, the likeliest first.
        file: the label file; named in errors.

    Raises:
        InputError: none of the folders holds one of the first pictures, or a name is none.
    """
    relative = [safe_name(name, file) for name in names]
    folders = list(dict.fromkeys(folders))
    tried = relative[:: max(1, len(relative) // _TRIED)]
    hits = {folder: sum(_is_file(folder / name) for name in tried) for folder in folders}
    short = [PurePosixPath(name).name for name in tried]
    short_hits = {folder: sum(_is_file(folder / name) for name in short) for folder in folders}
    best, best_short = (max(tally, key=lambda folder: tally[folder], default=None) for tally in (hits, short_hits))
    if best is not None and hits[best] and hits[best] >= short_hits[best_short or best]:
        return [best / name for name in relative]
    if best_short is not None and short_hits[best_short]:
        return [best_short / PurePosixPath(name).name for name in relative]
    if not names:
        raise InputError(f"{file}: names no picture")
    raise InputError(f"{file}: names {some(names, 2)}; they are not in {some([str(folder) for folder in folders], 3)}")


def safe_name(name: str, file: Path) -> str:
    """A name in a label file as a path that stays below a folder.

    Raises:
        InputError: it is no name of a file.
    """
    parts = name.replace("\\", "/").split("/")
    if any(part in ("..", "") or part.endswith(":") for part in parts):
        parts = parts[-1:]
    parts = [part for part in parts if part != "."]
    plain = "/".join(parts)
    if not plain or plain == ".." or "\0" in plain or len(plain) > 1000 or not plain.isprintable():
        raise InputError(f"{file}: {name[:80]!r} should be the name of a picture")
    return plain


def image_ids(names: Sequence[str]) -> list[str]:
    """An id for each picture: its stem, or, where stems come twice, its path with dashes for slashes."""
    plain = [PurePosixPath(name.replace("\\", "/")) for name in names]
    stems = Tally(path.stem for path in plain)
    return [
        path.stem if stems[path.stem] == 1 else "-".join((*path.parts[:-1], path.stem)).replace("/", "") or path.stem
        for path in plain
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
