"""Results of a long command, kept one by one, so that the same command goes on where it was interrupted."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue

from countguard.errors import InputError, RunError
from countguard.writing import PARTIAL, open_in_place

LARGEST = 1 << 28
"""Bytes of a journal that are read."""


class Journal:
    """What a command has found so far, by name.

    Attributes:
        path: of the file; None for a journal that nothing keeps.
    """

    def __init__(self, path: Path | None = None, rows: dict[str, JsonValue] | None = None) -> None:
        self.path = path
        self._rows: dict[str, JsonValue] = rows or {}
        self._file: BinaryIO | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows(self) -> Mapping[str, JsonValue]:
        """The results by their names."""
        return self._rows

    def get(self, name: str) -> JsonValue:
        """A result; None where it is not there yet."""
        return self._rows.get(name)

    def add(self, name: str, value: JsonValue) -> None:
        """Keeps a result: on return the system has it, whatever happens to this process.

        Raises:
            RunError: it cannot be written.
        """
        self._rows[name] = value
        if self._file is not None:
            _append(self.path, self._file, [name, value])

    def part(self, prefix: str) -> "Journal":
        """The results whose names begin with a word, without it; what is added there is added here.

        To finish a part leaves the journal as it is.
        """
        return _Part(self, f"{prefix}: ")

    def finish(self) -> None:
        """Everything is in its own file now: the journal goes."""
        if self.path is not None and (self._file is None or _is_at(self.path, self._file)):
            self.path.unlink(missing_ok=True)


class _Part(Journal):
    def __init__(self, whole: Journal, prefix: str) -> None:
        super().__init__(whole.path)
        self._whole, self._prefix = whole, prefix

    @property
    def rows(self) -> Mapping[str, JsonValue]:
        begin = len(self._prefix)
        return {name[begin:]: row for name, row in self._whole.rows.items() if name.startswith(self._prefix)}

    def get(self, name: str) -> JsonValue:
        return self._whole.get(self._prefix + name)

    def add(self, name: str, value: JsonValue) -> None:
        self._whole.add(self._prefix + name, value)

    def finish(self) -> None:
        pass


@contextmanager
def journal_beside(result: Path, command: Mapping[str, JsonValue]) -> Iterator[Journal]:
    """The journal of a command, as `RESULT.part` beside its result.

    Args:
        result: the file or folder that the command writes at its end.
        command: all that the results depend on; a journal of another command is refused.

    Raises:
        InputError: the journal there is another command's, or no journal.
        RunError: it is in use, or cannot be written.
    """
    with journal_at(result.with_name(result.name + PARTIAL), command) as journal:
        yield journal


@contextmanager
def journal_at(path: Path, command: Mapping[str, JsonValue]) -> Iterator[Journal]:
    """The journal of a command in a file of any name; see `journal_beside`."""
    with _locked(path) as file:
        new = os.fstat(file.fileno()).st_size == 0
        journal = Journal(path)
        journal._file = file
        try:
            journal._rows = _read(path, file, dict(command))
            yield journal
        finally:
            if new and not journal.rows:
                journal.finish()


def _locked(path: Path) -> BinaryIO:
    """The file of a journal that no other process writes."""
    while True:
        try:
            file = open_in_place(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({error.strerror}); name another place") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise RunError(f"{path}: another process is writing it; wait for that, or name another place") from None
        if _is_at(path, file):
            return file
        file.close()  # who wrote it has finished and removed it between the two


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether this open file is what is there under a name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _append(path: Path | None, file: BinaryIO, value: JsonValue) -> None:
    """Writes a line past Python's buffer, which would write it again when the file is closed."""
    rest = memoryview(_line(value))
    try:
        while rest:
            rest = rest[os.write(file.fileno(), rest) :]
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); what was kept before is there") from None


def _read(path: Path, file: BinaryIO, command: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The rows of a file, which is cut behind its last whole line; an empty one gets its head."""
    file.seek(0)
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError(f"{path}: holds more than {LARGEST:,} bytes; delete it to start anew")
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if not lines and not content.startswith(b'{"countguard"') and content not in _line({"countguard": command}):
        raise InputError(f"{path}: is no beginning of this command's; delete it, or name another place")
    try:
        head, *rows = (json.loads(line) for line in lines) if lines else (None,)
        found = dict(rows)
        kept = None if head is None else dict(head["countguard"])
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: is no beginning of this command's; delete it, or name another place") from None
    os.ftruncate(file.fileno(), len(whole))
    if kept is None:
        _append(path, file, {"countguard": command})
    elif kept != json.loads(_line(command)):
        differ = [name for name in (*command, *kept) if kept.get(name) != json.loads(_line(command)).get(name)]
        raise InputError(
            f"{path}: holds the beginning of another command ({differ[0]} differs); finish that one, delete the file, "
            "or name another place"
        )
    return found


def _line(value: JsonValue) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode() + b"\n"
