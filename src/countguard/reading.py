"""Opening files that come from strangers: plain files of a stated size, inside their folder, or one line."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from countguard.errors import InputError


def open_file(path: Path, max_bytes: int) -> BinaryIO:
    """A plain file that is not empty and holds at most `max_bytes`, open for reading.

    Raises:
        InputError: it is missing, empty, larger, no plain file (a folder, a pipe, a device) or may not be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is not a file")
        if status.st_size == 0:
            raise InputError(f"{path}: is empty")
        if status.st_size > max_bytes:
            raise InputError(f"{path}: holds {status.st_size:,} bytes; at most {max_bytes:,} are read")
        return path.open("rb")
    except OSError as error:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: is a link to nothing") from None
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is no file name") from None  # a zero byte in it


def read_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file; raises as `open_file`, also where the file has grown in the meantime."""
    with open_file(path, max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(f"{path}: holds more than {max_bytes:,} bytes")
    return content


@contextmanager
def refusals_as_input_errors(path: Path) -> Iterator[None]:
    """Whatever the system refuses while a data set is looked through (rights, names too long) becomes one line.

    Args:
        path: named where the system does not say which file it was.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror or error})") from error


def require_folder(path: Path, field: str) -> Path:
    """The folder with every link resolved.

    Raises:
        InputError: it is missing or no folder; `field` says which setting named it.
    """
    if not path.is_dir():
        problem = "is not a folder" if path.exists() else "is not there"
        raise InputError(f"{path}: {problem}; {field} should name the data set's folder")
    return path.resolve()


def require_inside(path: Path, folder: Path) -> None:
    """Refuses a link that leaves its data set, which could carry anybody's private file into a report.

    Args:
        path: a file of the data set.
        folder: the data set's folder, resolved.

    Raises:
        InputError: the path ends outside of the folder.
    """
    try:
        inside = path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a link that leads to itself
        raise InputError(f"{path}: is a link that leads nowhere") from None
    if not inside:
        raise InputError(f"{path}: is a link out of {folder}; put the file itself there")
