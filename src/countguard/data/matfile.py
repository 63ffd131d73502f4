"""Head points out of a MATLAB file, level 5, and nothing else of it.

`scipy.io.loadmat` would do for files one trusts: a few megabytes of nested cells end its process, and a header that
promises a billion cells takes the memory for them. This reader knows the one path that leads to the points, takes
no more memory than the file's limit, and never goes deeper than that path.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from countguard.errors import InputError
from countguard.reading import read_file

MAX_HEADS = 1_000_000
"""Heads in one image; more are refused."""
MAX_MAT_BYTES = 1 << 25
"""Bytes of one file, and of everything in it once it is inflated: twice a million points as doubles."""

_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _STRUCT, _SPARSE = 1, 2, 5
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800
_VARIABLES, _FIELDS, _NAME_BYTES, _DIMENSIONS = 1000, 64, 64, 32
"""More of these in a file are not looked at."""

T = TypeVar("T")


class BrokenMat(Exception):
    """What is wrong, without the file's name."""


def read_head_points(path: Path) -> NDArray[np.float64]:
    """The `location` of ShanghaiTech's `image_info`: float64 [heads, 2], x then y, as the file has them.

    Raises:
        InputError: not a MATLAB file of level 5 (v6 or v7) or of version 7.3 (with the extra mat73), without these
            points, or with more than `MAX_HEADS`.
    """
    content = read_file(path, MAX_MAT_BYTES)
    if is_hdf5(content):
        from countguard.data.mat73 import read_locations

        return read_locations(path, content)
    return read_variable(path, content, b"image_info", "the heads as image_info{1}.location", _points)


def is_hdf5(content: bytes) -> bool:
    """Whether a MATLAB file has version 7.3, which is HDF5."""
    return b"\x89HDF\r\n\x1a\n" in (content[:8], content[512:520])


def read_variable(path: Path, content: bytes, name: bytes, holds: str, take: Callable[["MatArray"], T]) -> T:
    """What `take` reads out of one variable of a MATLAB file of level 5.

    Args:
        path: of the file; named in errors.
        content: of the file.
        name: of the variable.
        holds: what it should hold, in words.
        take: reads it; raises `BrokenMat`.

    Raises:
        InputError: no such file, no such variable, or what `take` finds wrong.
    """
    try:
        return take(_variable(content, name, holds))
    except BrokenMat as error:
        raise InputError(f"{path}: {error}") from None
    except (struct.error, zlib.error, ValueError):
        raise InputError(f"{path}: is a damaged or truncated MATLAB file") from None


def _variable(content: bytes, name: bytes, holds: str) -> "MatArray":
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or len(content) < 136:
        raise BrokenMat("is not a MATLAB file of version 6 or 7")
    for matrix in _variables(content[128:], order):
        array = MatArray(matrix, order)
        if array.name == name:
            return array
    raise BrokenMat(f"has no variable {name.decode()}; it should hold {holds}")


def _variables(content: bytes, order: str) -> Iterator[memoryview]:
    """The body of each top-level matrix; all that is inflated stays within `MAX_MAT_BYTES`."""
    budget = MAX_MAT_BYTES
    for kind, body in islice(_elements(memoryview(content), order), _VARIABLES):
        if kind == _COMPRESSED:
            inflated = zlib.decompressobj().decompress(body, budget + 1)
            budget -= len(inflated)
            if budget < 0:
                raise BrokenMat(f"holds more than {MAX_MAT_BYTES:,} bytes once it is inflated")
            kind, body = next(_elements(memoryview(inflated), order), (0, body))
        if kind == _MATRIX and len(body):
            yield body


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and body of each data element; small ones have both in eight bytes."""
    place = 0
    while place < len(content):
        (kind,) = struct.unpack_from(f"{order}I", content, place)
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            start, end = place + 4, place + 8
            if size > 4:
                raise BrokenMat("is a damaged MATLAB file")
        else:
            (size,) = struct.unpack_from(f"{order}I", content, place + 4)
            start = place + 8
            end = start + (size if kind == _COMPRESSED else size + -size % 8)
        if start + size > len(content):
            raise BrokenMat("is a truncated MATLAB file")
        yield kind, content[start : start + size]
        place = end


class MatArray:
    """A matrix's flags, shape and name, and the elements that follow."""

    def __init__(self, body: memoryview, order: str) -> None:
        self.order = order
        self.elements = _elements(body, order)
        flags = self._next()
        (word,) = struct.unpack_from(f"{order}I", flags)
        self.kind, self.complex = word & 0xFF, bool(word & _COMPLEX)
        dimensions = self._next()
        if len(dimensions) > 4 * _DIMENSIONS:  # multiplying them out would take minutes
            raise BrokenMat(f"holds an array of more than {_DIMENSIONS} dimensions")
        self.shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4])
        self.name = bytes(self._next())

    def _next(self) -> memoryview:
        for _, body in self.elements:
            return body
        raise BrokenMat("is a truncated MATLAB file")

    def children(self) -> Iterator["MatArray | None"]:
        """The matrices of a cell or struct that are left, in order; None for an empty one."""
        for kind, body in self.elements:
            if kind != _MATRIX:
                raise BrokenMat("is a damaged MATLAB file")
            yield MatArray(body, self.order) if len(body) else None

    def fields(self) -> list[bytes]:
        """The names of a struct's fields; `children` follow, element after element."""
        (width,) = struct.unpack(f"{self.order}i", self._next())
        names = bytes(self._next())
        if not 0 < width <= _NAME_BYTES or len(names) > _NAME_BYTES * _FIELDS:
            raise BrokenMat("is a damaged MATLAB file")
        return [names[start : start + width].split(b"\0")[0] for start in range(0, len(names), width)]

    def child(self, position: int = 0) -> "MatArray":
        """The matrix at one position of a cell or struct."""
        for index, (kind, body) in enumerate(self.elements):
            if index == position:
                if kind != _MATRIX or not len(body):
                    break
                return MatArray(body, self.order)
        raise BrokenMat("image_info is empty; it should hold the heads as image_info{1}.location")

    def field(self, name: bytes) -> "MatArray":
        """One field of a struct of one element."""
        (width,) = struct.unpack(f"{self.order}i", self._next())
        names = bytes(self._next())
        if not 0 < width <= _NAME_BYTES or len(names) > _NAME_BYTES * _FIELDS:
            raise BrokenMat("image_info is no struct with the field location")
        fields = [names[start : start + width].split(b"\0")[0] for start in range(0, len(names), width)]
        if name not in fields:
            raise BrokenMat("image_info has no field location")
        return self.child(fields.index(name))

    def numbers(self) -> NDArray[np.float64]:
        """The values of a numeric matrix, in its shape."""
        for kind, body in self.elements:
            if kind not in _NUMBERS:
                break
            stored = np.frombuffer(body, dtype=np.dtype(self.order + _NUMBERS[kind]))
            if stored.size != math.prod(self.shape):
                break
            return stored.reshape(self.shape, order="F").astype(np.float64)
        raise BrokenMat("image_info.location is damaged")


def _points(image_info: MatArray) -> NDArray[np.float64]:
    """image_info{1}.location, as ShanghaiTech has it, or image_info.location, as some copies do."""
    record = image_info
    if record.kind == _CELL and math.prod(record.shape) == 1:
        record = record.child()
    if record.kind != _STRUCT or math.prod(record.shape) != 1:
        raise BrokenMat("image_info should be a cell that holds one struct with the field location")
    location = record.field(b"location")
    if location.kind not in _NUMERIC or location.complex or len(location.shape) != 2:
        raise BrokenMat("image_info.location should be a matrix of numbers, heads x 2")
    heads, columns = location.shape
    if heads == 0:  # MATLAB's [] is 0 x 0
        return np.zeros((0, 2))
    if columns != 2:
        raise BrokenMat(f"image_info.location is {heads} x {columns}; it should be heads x 2, x then y")
    if heads > MAX_HEADS:
        raise BrokenMat(f"image_info.location has {heads:,} heads; at most {MAX_HEADS:,} are read")
    return location.numbers()
