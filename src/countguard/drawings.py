"""The pictures that a command draws, one for each that it was given: their names, and what they never replace."""

from collections.abc import Sequence
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from countguard.errors import InputError
from countguard.reading import open_file

SOFTWARE = {"Software": "countguard"}
"""Metadata of every PNG that a command draws, by which it is known again: only such a picture is drawn over."""
PNG_MARK = b"tEXt" + "".join(f"{name}\0{text}" for name, text in SOFTWARE.items()).encode()
"""Where it stands in the file."""
_START, _LARGEST = 4096, 1 << 30


def drawn_files(pictures: Sequence[Path], folder: Path, what: str, ending: str = "") -> dict[Path, Path]:
    """A file for each picture's drawing: `NAME` and `ending`, as PNG; that of a second NAME is called NAME-2.

    Args:
        pictures: that are drawn, each once.
        folder: of the drawings.
        what: is drawn; for errors.
        ending: of the names.

    Raises:
        InputError: a drawing would overwrite a picture, or any file that is no such drawing.
    """
    files: dict[Path, Path] = {}
    taken: set[str] = set()
    given = {picture.resolve() for picture in pictures}
    for picture in pictures:
        name, number = picture.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{picture.stem}-{number}"
        taken.add(name.casefold())
        file = folder / f"{name}{ending}.png"
        if file.resolve() in given or not _is_free(file):
            raise InputError(
                f"{folder}: the {what} of {picture.name} would overwrite a picture, {file.name}; give another folder"
            )
        files[picture] = file
    return files


def png_info() -> PngInfo:
    """What marks a PNG as drawn by a command."""
    info = PngInfo()
    for name, text in SOFTWARE.items():
        info.add_text(name, text)
    return info


def _is_free(file: Path) -> bool:
    """Whether nothing has this name, or a drawing of ours."""
    if file.is_symlink():
        return False
    if not file.exists():
        return True
    with open_file(file, _LARGEST) as there:
        return PNG_MARK in there.read(_START)
