"""Opening files that come from strangers: plain files of a stated size, inside their folder, or one line."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from countguard.errors import InputError

_PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Without blocking: a pipe that nobody writes to would hold the reader for ever."""
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def open_file(path: Path, max_bytes: int, *, root: Path | None = None) -> BinaryIO:
    """A plain file that is not empty and holds at most `max_bytes`, open for reading.

    Args:
        path: of the file.
        max_bytes: more are refused.
        root: a folder around the file that a stranger may have filled: neither the file nor a folder between the two
            may be a link. None: links are followed, as the user named the file.

    Raises:
        InputError: it is missing, empty, larger, no plain file (a folder, a pipe, a device) or may not be read.
    """
    try:
        with _around(path, root) as (name, folder):
            if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=root is None).st_mode):
                raise InputError(f"{path}: {_refusal(path, root)}")
            descriptor = os.open(name, _PLAIN | (0 if root is None else os.O_NOFOLLOW), dir_fd=folder)
    except OSError as error:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: is a link to nothing") from None
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is no file name") from None  # a zero byte in it
    file = os.fdopen(descriptor, "rb")
    try:
        _require_size(path, os.fstat(descriptor), max_bytes)
    except InputError:
        file.close()
        raise
    return file


def read_file(path: Path, max_bytes: int, *, root: Path | None = None) -> bytes:
    """The content of a file; see `open_file`; refused, too, where the file has grown in the meantime."""
    with open_file(path, max_bytes, root=root) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(f"{path}: holds more than {max_bytes:,} bytes")
    return content


def read_text(path: Path, max_bytes: int, *, root: Path | None = None) -> str:
    """The content of a text file in UTF-8, with or without a byte order mark; raises as `open_file`."""
    try:
        return read_file(path, max_bytes, root=root).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None


def read_json(path: Path, max_bytes: int, *, root: Path | None = None) -> Any:
    """The value in a JSON file. It takes up to fifty times the file's size in memory.

    Raises:
        InputError: as `open_file`; it is no JSON, is nested too deep, or names a key of one object twice.
    """
    text = read_text(path, max_bytes, root=root)
    try:
        return json.loads(text, object_pairs_hook=_without_twins)
    except RecursionError:
        raise InputError(f"{path}: is nested too deep") from None
    except _Twins as error:
        raise InputError(f"{path}: names {str(error)[:80]!r} twice") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error})") from None


def list_folder(folder: Path, limit: int, *, root: Path | None = None) -> list[str]:
    """The names of what is in a folder, sorted; see `open_file` for `root`.

    Raises:
        InputError: it is missing, no folder, a link below `root`, may not be read, or holds more than `limit`.
    """
    try:
        with opened_folder(folder, root) as place:
            descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=place)
            try:
                with os.scandir(descriptor) as entries:
                    names = sorted(entry.name for entry in islice(entries, limit + 1))
            finally:
                os.close(descriptor)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder ({error.strerror})") from None
    if len(names) > limit:
        raise InputError(f"{folder}: holds more than {limit:,} files")
    return names


@contextmanager
def opened_folder(folder: Path, root: Path | None = None, *, make: bool = False) -> Iterator[int]:
    """A folder's descriptor: what is opened relative to it is in this folder, whatever its name comes to mean.

    Args:
        folder: to open.
        root: a folder around it that a stranger may have filled: none of the folders between the two may be a link.
        make: folders below `root` that are missing are made.

    Raises:
        InputError: a folder below `root` is a link or no folder.
        OSError: the system refuses.
    """
    below = folder.relative_to(root).parts if root is not None else ()
    if ".." in below:
        raise InputError(f"{folder}: leaves {root}")
    place = folder if root is None else root
    descriptor = os.open(place, _FOLDER)
    try:
        for part in below:
            place = place / part
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            inner = _open_real_folder(part, descriptor, place, root)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


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


@contextmanager
def _around(path: Path, root: Path | None) -> Iterator[tuple[str, int | None]]:
    """A file's name, and the descriptor of the folder that it is relative to; None for the user's own path."""
    if root is None:
        yield str(path), None
        return
    with opened_folder(path.parent, root) as folder:
        yield path.name, folder


def _open_real_folder(name: str, around: int, path: Path, root: Path | None) -> int:
    """The descriptor of the folder `name` in the folder `around`; `path` is what errors call it."""
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=around)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise InputError(f"{path}: {_refusal(path, root, 'folder')}") from None
        raise OSError(error.errno, error.strerror, str(path)) from None


def _refusal(path: Path, root: Path | None, wanted: str = "file") -> str:
    """Why what is there is no plain file or folder."""
    if root is not None and path.is_symlink():
        return f"is a link; {root} should hold the {wanted} itself"
    return f"is not a {wanted}"


def _require_size(path: Path, status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not a file")
    if status.st_size == 0:
        raise InputError(f"{path}: is empty")
    if status.st_size > max_bytes:
        raise InputError(f"{path}: holds {status.st_size:,} bytes; at most {max_bytes:,} are read")


class _Twins(Exception):
    """A key that comes twice."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _Twins(name)
        content[name] = value
    return content


def stamp_of(path: Path) -> list[int]:
    """By which a file is known to be the same still: its size in bytes, and when it was changed."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
