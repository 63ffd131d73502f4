"""Data sets that visitors drop as one zip file."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from countguard.errors import InputError

MAX_FILES = 20_000
MAX_BYTES = 2 << 30
"""Bytes of all files of an archive, unpacked."""
_AT_ONCE = 1 << 20


def unpack(archive: Path, folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Unpacks a zip file into a new folder: plain files and folders alone, all of them inside.

    Args:
        archive: a visitor's.
        folder: does not exist yet.
        progress: hears how many of how many files are there.

    Raises:
        InputError: it is no zip file, damaged, encrypted, or larger than allowed; a member is a link, or leads out of
            the folder. The archive is named without its folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(opened, archive.name)
            folder.mkdir(parents=True)
            left = MAX_BYTES
            for number, (member, place) in enumerate(members, start=1):
                left -= _written(opened, member, folder / place, left, archive.name)
                if progress is not None:
                    progress(number, len(members))
    except InputError:  # a ValueError, too, whose line is whole
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{archive.name}: cannot be unpacked as a zip file ({error})") from None


def _checked(archive: zipfile.ZipFile, name: str) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_FILES:
        raise InputError(f"{name}: holds {len(members):,} files; at most {MAX_FILES:,} are taken here")
    size = sum(member.file_size for member in members)
    if size > MAX_BYTES:
        raise InputError(f"{name}: unpacks to {size >> 20:,} MiB; at most {MAX_BYTES >> 20:,} are taken here")
    checked = []
    for member in members:
        place = PurePosixPath(member.filename)
        mode = member.external_attr >> 16
        if place.is_absolute() or ".." in place.parts or "\\" in member.filename or "\0" in member.filename:
            raise InputError(f"{name}: {member.filename}: leads out of the archive")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise InputError(f"{name}: {member.filename}: is a link or another special file")
        if not any(part.startswith((".", "__MACOSX")) for part in place.parts):
            checked.append((member, place))
    return checked


def _written(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, limit: int, name: str) -> int:
    """Writes a member and gives its bytes; what a header says of its size is not believed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(member) as source, path.open("xb") as target:
        while chunk := source.read(_AT_ONCE):
            size += len(chunk)
            if size > limit:
                raise InputError(f"{name}: unpacks to more than {MAX_BYTES >> 20:,} MiB")
            target.write(chunk)
    return size
