"""JSON label files of any size, entry by entry, in the memory of one entry.

`json.loads` takes up to fifty times a file's size; the label files of COCO have half a gigabyte.
"""

import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from countguard.errors import InputError
from countguard.reading import open_file, require_inside

MAX_FILE_BYTES = 1 << 31
MAX_ENTRY_BYTES = 1 << 26
"""Text of one entry: a picture inside a label file may take so much."""
MAX_ENTRY_VALUES = 1 << 22
"""Lists, objects and commas in one entry."""

_CHUNK = 1 << 20
_AFTER_A_VALUE = frozenset(" \t\r\n,:]}")
Place = tuple[str | int, ...]


def json_entries(path: Path, root: Path, *, opened: Collection[str] = ()) -> Iterator[tuple[Place, Any]]:
    """What a JSON file holds: the elements of a list, or the members of an object, with where they stand.

    A list that is a member of the outermost object comes element by element as well: `("images", 0)`, `("images", 1)`.

    Args:
        path: of the file.
        root: the data set's folder; a link that leaves it is refused.
        opened: members of the outermost object that are objects and come member by member as well.

    Raises:
        InputError: no JSON, neither a list nor an object, a member twice, nested too deep, or larger than the limits.
    """
    require_inside(path, root.resolve())
    with io.TextIOWrapper(open_file(path, MAX_FILE_BYTES), encoding="utf-8-sig") as file:
        reader = _Reader(file, path)
        try:
            first = reader.sign()
            if first == "[":
                yield from _elements(reader, ())
            elif first == "{":
                yield from _members(reader, (), opened)
            else:
                reader.refuse("it should be a list or an object")
            if reader.sign():
                reader.refuse("something follows its end")
        except UnicodeDecodeError:
            raise InputError(f"{path}: is not UTF-8 text") from None
        except RecursionError:
            raise InputError(f"{path}: is nested too deep") from None


def _members(reader: "_Reader", place: Place, opened: Collection[str]) -> Iterator[tuple[Place, Any]]:
    seen: set[str] = set()
    reader.take("{")
    if reader.sign() == "}":
        reader.take("}")
        return
    while True:
        key = reader.value()
        if not isinstance(key, str):
            reader.refuse("a name should be text")
        if key in seen:
            reader.refuse(f"names {key[:80]!r} twice")
        seen.add(key)
        reader.take(":")
        sign = reader.sign()
        if sign == "[" and not place:
            yield from _elements(reader, (key,))
        elif sign == "{" and key in opened and not place:
            yield from _members(reader, (key,), ())
        else:
            yield (*place, key), reader.value()
        if not reader.goes_on("}"):
            return


def _elements(reader: "_Reader", place: Place) -> Iterator[tuple[Place, Any]]:
    reader.take("[")
    if reader.sign() == "]":
        reader.take("]")
        return
    index = 0
    while True:
        yield (*place, index), reader.value()
        index += 1
        if not reader.goes_on("]"):
            return


class _Reader:
    """A text of which only the part that is looked at is in memory."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0
        self._ended = False
        self._decoder = json.JSONDecoder(parse_constant=self._constant)

    def sign(self) -> str:
        """The next sign that is no space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def take(self, sign: str) -> None:
        if self.sign() != sign:
            self.refuse(f"{sign!r} is missing")
        self._at += 1

    def goes_on(self, end: str) -> bool:
        """Whether a comma follows, which is taken; otherwise `end` is."""
        if self.sign() == ",":
            self._at += 1
            return True
        self.take(end)
        return False

    def value(self) -> Any:
        self.sign()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    self.refuse(error.msg)
            except ValueError as error:  # an integer with thousands of digits
                self.refuse(str(error))
            else:
                if self._text[end : end + 1] in _AFTER_A_VALUE or self._ended:  # otherwise a number may go on: 0.|5
                    self._at = end
                    return value
            self._require_small()
            self._more()

    def refuse(self, why: str) -> NoReturn:
        raise InputError(f"{self._path}: is not JSON of a known kind ({why[:120]})")

    def _more(self) -> None:
        pending = self._text[self._at :]
        chunk = self._file.read(max(_CHUNK, len(pending)))
        self._ended = not chunk
        self._text, self._at = pending + chunk, 0

    def _require_small(self) -> None:
        size = len(self._text) - self._at
        if size > MAX_ENTRY_BYTES:
            raise InputError(f"{self._path}: one entry has more than {MAX_ENTRY_BYTES:,} signs")
        if size > 4 * _CHUNK and sum(self._text.count(sign, self._at) for sign in "[{,") > MAX_ENTRY_VALUES:
            raise InputError(f"{self._path}: one entry has more than {MAX_ENTRY_VALUES:,} values")

    def _constant(self, name: str) -> NoReturn:
        self.refuse(f"{name} is no number")
