"""Files that are whole or not there."""

import hashlib
import os
from pathlib import Path

from countguard.errors import InputError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file under a temporary name in its folder, flushes it to disk, and renames it: whole, or not there.

    Raises:
        OSError: with the file's name, also where the system gives none, as when the disk is full.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def require_place(path: Path, option: str) -> None:
    """Makes sure that a file can be written under a name, before the work whose result it is to hold.

    Raises:
        InputError: a folder has that name, or the folder around it is missing or read-only; names the option.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; {option} should name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name another {option}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: {path.parent} may not be written to; name another {option}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
