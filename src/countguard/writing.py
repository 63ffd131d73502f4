"""Writing files: whole or not there, under the name that was given, and nowhere else.

Everything that countguard writes goes through here. Its outputs lie beside files of others: in folders that many may
write to, and in the folders of runs that a stranger made. So nothing is written under a name that can be foreseen, no
link is followed, and only a plain file is replaced.
"""

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from countguard.errors import InputError, RunError
from countguard.reading import open_file, opened_folder
from countguard.signals import tidy_when_terminated

PARTIAL = ".part"
"""What the names of unfinished files and folders end with."""

_LOOKED_AT = 4096
"""Bytes at both ends of a file in which its mark is looked for."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IN_PLACE = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_atomically(path: Path, content: str | bytes, *, root: Path | None = None) -> None:
    """Writes a file that is whole or not there; see `whole_file`."""
    with whole_file(path, root=root) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_file(path: Path, *, root: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write to. It lies under a random name beside `path`, and gets that name once it is on the disk.

    Its permissions are those of the file that it replaces, or what a new file gets.

    Args:
        path: of the file.
        root: a folder around it that a stranger may have filled: none of the folders between the two may be a link.

    Raises:
        InputError: what is there under its name is no plain file, or there is a link below `root`.
        OSError: with the file's name, also where the system gives none, as when the disk is full.
    """
    try:
        with tidy_when_terminated(), opened_folder(path.parent, root) as folder:
            there = _replaceable(path, folder)
            partial = _random_name()
            try:
                with os.fdopen(os.open(partial, _NEW, 0o666, dir_fd=folder), "wb") as file:
                    if there is not None and stat.S_IMODE(os.fstat(file.fileno()).st_mode) != there:
                        os.fchmod(file.fileno(), there)
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def copy_file(source: Path, target: Path, max_bytes: int, *, root: Path) -> None:
    """Copies a plain file within a folder that a stranger may have filled; see `open_file` and `whole_file`."""
    with open_file(source, max_bytes, root=root) as file, whole_file(target, root=root) as copy:
        shutil.copyfileobj(file, copy)


def open_in_place(path: Path, *, root: Path | None = None) -> BinaryIO:
    """A file to read, and to append to, that may be there already: a lock, a log. Nothing in it is cut off.

    Raises:
        InputError: what is there is no plain file, or has another name, too: both may lead to a file of somebody's.
        OSError: with the file's name.
    """
    try:
        with opened_folder(path.parent, root) as folder:
            _replaceable(path, folder)
            descriptor = os.open(path.name, _IN_PLACE, 0o666, dir_fd=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise InputError(f"{path}: is a link; delete it")
    return os.fdopen(descriptor, "rb+")


def make_folder(folder: Path, root: Path) -> Path:
    """A folder below `root`, made where it is missing, with those between the two; returns it.

    Raises:
        InputError: it, or one between, is a link or no folder.
        OSError: the system refuses.
    """
    with opened_folder(folder, root, make=True):
        return folder


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """A folder to put results into, made where it is missing; one that the block leaves empty goes again.

    Raises:
        RunError: it cannot be made.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}); give another --out") from error
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder under a random name that gets its own when all is well, and is removed otherwise.

    Raises:
        InputError: something is there under its own name.
        RunError: the disk is full or the folder cannot be written to.
    """
    try:
        require_new(target)
        whole = target.resolve()
        partial = whole.with_name(_random_name())
        made = [folder for folder in whole.parents if not folder.exists()]
        with tidy_when_terminated():
            try:
                partial.parent.mkdir(parents=True, exist_ok=True)
                partial.mkdir()
                yield partial
                partial.replace(whole)
                made = []
            finally:
                shutil.rmtree(partial, ignore_errors=True)
                for folder in made:
                    with suppress(OSError):
                        folder.rmdir()
    except OSError as error:
        raise RunError(f"{target}: cannot be written ({error.strerror or error}); nothing was left there") from error


def require_place(path: Path, option: str, *, inputs: Iterable[Path] = (), mark: bytes = b"") -> None:
    """Makes sure that a file can be written under a name, before the work whose result it is to hold.

    Args:
        path: of the file.
        option: by which it was named.
        inputs: files that the work reads, and that it may therefore not replace.
        mark: what such a file of ours holds near its beginning or its end; one without it is somebody else's.

    Raises:
        InputError: what is there is no plain file, one of the inputs, or no file of ours, or its folder is missing or
            read-only.
    """
    require_utf8(path, option)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; {option} should name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name another {option}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: {path.parent} may not be written to; name another {option}")
    with opened_folder(path.parent) as folder:
        _replaceable(path, folder)
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise InputError(f"{path}: is what is read; {option} should name another file")
    if mark and path.exists() and not _holds(path, mark):
        raise InputError(f"{path}: is there, is no earlier result, and would be overwritten; give another {option}")


def require_new(folder: Path, option: str = "") -> None:
    """Makes sure that a folder is new or empty.

    Args:
        folder: to look at.
        option: by which it was named; empty where the user named it without one.

    Raises:
        InputError: something is there.
    """
    wanted = f"{option} should name a new folder" if option else "name a folder that is new"
    if folder.is_symlink():
        raise InputError(f"{folder}: is a link; {wanted}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there and not empty; {wanted}")


def require_results(folder: Path, marks: Mapping[str, bytes], option: str) -> None:
    """Makes sure that files can be written into a folder, before the work whose results they are to hold.

    Args:
        folder: of the files; it need not be there yet.
        marks: the files' names, each with its mark; see `require_place`.
        option: by which the folder was named.

    Raises:
        InputError: what is there is no folder, or one of the files cannot be replaced.
    """
    require_utf8(folder, option)
    if folder.is_symlink() and not folder.exists():
        raise InputError(f"{folder}: is a link to nothing; {option} should name a folder")
    around = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not around.is_dir():
        raise InputError(f"{around}: is a file; {option} should name a folder")
    if not os.access(around, os.W_OK):
        raise InputError(f"{folder}: {around} may not be written to; name another {option}")
    if not folder.exists():
        return
    for name, mark in marks.items():
        require_place(folder / name, option, mark=mark)


def remove_results(folder: Path, marks: Mapping[str, bytes], *, but: Iterable[str] = ()) -> None:
    """Removes earlier results that would lie beside new ones as if they belonged to them.

    Args:
        folder: of the files.
        marks: their names, each with its mark: a file without it, or that is no plain file, stays.
        but: names of those that are new.
    """
    for name in set(marks) - set(but):
        path = folder / name
        if path.is_file() and not path.is_symlink() and _holds(path, marks[name]):
            path.unlink()


def require_utf8(path: Path, option: str) -> None:
    """Refuses a path that is no UTF-8, before anything is put there: counters below it could not be opened again.

    Raises:
        InputError: names the option by which it was given.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path.absolute()}: is no UTF-8 name; name another {option}") from None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holds(path: Path, mark: bytes) -> bool:
    """Whether a file has the mark near its beginning or its end; an empty one holds nothing that could be lost."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
        file.seek(max(0, path.stat().st_size - _LOOKED_AT))
        return not start or mark in start or mark in file.read()


def _replaceable(path: Path, folder: int) -> int | None:
    """The permissions of the plain file that is there under a path's name; None where there is nothing."""
    try:
        mode = os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        raise InputError(f"{path}: is a link; name the file itself, or delete the link")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is no plain file, and is not replaced")
    return mode & 0o777


def _random_name() -> str:
    """A name that nobody can foresee, and so nobody can have taken."""
    return f".{secrets.token_hex(16)}{PARTIAL}"
