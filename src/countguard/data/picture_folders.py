"""Pictures and films that a user names, alone or by the folder, and everything beside them that is left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countguard.data.images import IMAGE_SUFFIXES, picture_header
from countguard.data.look import all_files, names_in, some
from countguard.data.picture_formats import SUFFIXES, UNREAD, missing_reader
from countguard.errors import InputError
from countguard.reading import refusals_as_input_errors

FILM_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv"}
)


@dataclass(slots=True)
class FoundPictures:
    """What was found.

    Attributes:
        pictures: each once, files as they were named, those of folders in natural order.
        left_out: what folders hold beside them, and why it is not counted: a line each.
    """

    pictures: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


def find_pictures(paths: Sequence[Path], *, recursive: bool = False) -> FoundPictures:
    """Files as they are, folders as the pictures in them.

    Args:
        paths: of the user.
        recursive: folders in folders are gone through, too; without it they are named as left out.

    Raises:
        InputError: a path is not there, a folder has no picture that is read, or nothing was given.
    """
    found = FoundPictures()
    for path in paths:
        with refusals_as_input_errors(path):
            if path.is_dir():
                _look_through(path, recursive, found)
            elif path.exists():
                found.pictures.append(path)
            else:
                raise InputError(f"{path}: there is no such file or folder")
    if not found.pictures:
        raise InputError("images: name at least one picture or folder")
    found.pictures = list(dict.fromkeys(found.pictures))
    return found


def is_film(path: Path) -> bool:
    """Whether a file is called like a film."""
    return path.suffix.lower() in FILM_SUFFIXES


def _look_through(folder: Path, recursive: bool, found: FoundPictures) -> None:
    here = list(all_files(folder)) if recursive else [folder / name for name in names_in(folder)]
    before = len(found.pictures)
    for path in here:
        why = _why_left_out(path)
        if why is None:
            found.pictures.append(path)
        else:
            found.left_out[path] = f"{path}: {why}"
    if len(found.pictures) == before:
        held = some([path.name for path in here]) or "nothing"
        raise InputError(f"{folder}: holds no picture that is read; it holds {held}; read are {_read()}")


def _why_left_out(path: Path) -> str | None:
    """Why a member of a folder is not counted; None for a picture."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return "is a folder; name it, too, or use --recursive"
    if SUFFIXES.get(suffix) in ("HEIF", "AVIF"):
        return _why_not_opened(path, SUFFIXES[suffix])
    if suffix in IMAGE_SUFFIXES:
        return None
    if suffix in UNREAD:
        return f"{suffix} pictures are not read; save it as JPEG, PNG, WebP or TIFF"
    if suffix in FILM_SUFFIXES:
        return "is a film; name it itself"
    return "is not called like a picture"


def _why_not_opened(path: Path, kind: str) -> str | None:
    """Why a HEIC or AVIF picture is left out: decoders differ in what of these containers they open."""
    if (missing := missing_reader(kind)) is not None:
        return missing
    try:
        picture_header(path)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _read() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
