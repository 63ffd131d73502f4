"""Ground truths that are damaged, of another shape, or made to exhaust a reader."""

import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse

from corpus.case import HEADS, Case, mat, shanghaitech
from countguard.data.shanghaitech import ShanghaiTech

_HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
_CELL, _STRUCT, _OBJECT, _DOUBLE, _FUNCTION, _OPAQUE = 1, 2, 3, 6, 16, 17


def element(kind: int, content: bytes) -> bytes:
    """A data element of a MATLAB file, level 5."""
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind: int, shape: tuple[int, ...], name: bytes, body: bytes) -> bytes:
    """A matrix of any kind with any body."""
    dimensions = struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, struct.pack("<II", kind, 0)) + element(5, dimensions) + element(1, name) + body)


def _truth(shape: tuple[int, ...], numbers: bytes, kind: int = _DOUBLE) -> bytes:
    location = matrix(kind, shape, b"", element(9, numbers))
    fields = element(5, struct.pack("<i", 32)) + element(1, b"location".ljust(32, b"\0"))
    return matrix(_CELL, (1, 1), b"image_info", matrix(_STRUCT, (1, 1), b"", fields + location))


def _nested(depth: int) -> bytes:
    start = element(6, struct.pack("<II", _CELL, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"")
    parts, size = [element(14, b"")], 8
    for _ in range(depth):
        size += len(start)
        parts.append(struct.pack("<II", 14, size) + start)
        size += 8
    outer = element(6, struct.pack("<II", _CELL, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"image_info")
    return struct.pack("<II", 14, size + len(outer)) + outer + b"".join(reversed(parts))


def _compressed(content: bytes) -> bytes:
    packed = zlib.compress(content, 1)
    return struct.pack("<II", 15, len(packed)) + packed


def _bytes(content: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        path = shanghaitech(root) / "part_B/train_data/ground-truth/GT_IMG_2.mat"
        path.write_bytes(content if isinstance(content, bytes) else content())
        return root

    return make


def _saved(variables: dict[str, object], **settings: object) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        path = shanghaitech(root) / "part_B/train_data/ground-truth/GT_IMG_2.mat"
        scipy.io.savemat(path, variables, **settings)  # type: ignore[arg-type]
        return root

    return make


def _located(location: object) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        mat(shanghaitech(root) / "part_B/train_data/ground-truth/GT_IMG_2.mat", location)
        return root

    return make


def _cut(root: Path) -> Path:
    path = shanghaitech(root) / "part_B/train_data/ground-truth/GT_IMG_2.mat"
    os.truncate(path, path.stat().st_size - 60)
    return root


def _sparse_file(root: Path) -> Path:
    path = shanghaitech(root) / "part_B/train_data/ground-truth/GT_IMG_2.mat"
    path.write_bytes(_HEADER + struct.pack("<II", 14, 160_000_000))
    os.truncate(path, 160_000_200)
    return root


_ONE = HEADS.tobytes("F")

_MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (_bytes(b""), "is empty"),
    "text": (_bytes(b"x,y\n1,2\n" * 40), "is not a MATLAB file"),
    "pickle": (_bytes(pickle.dumps([1.0] * 100)), "is not a MATLAB file"),
    "hdf5": (_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(500)), "save it with -v7"),
    "hdf5_without_header": (_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500)), "save it with -v7"),
    "level_4": (_saved({"image_info": HEADS}, format="4"), "is not a MATLAB file of version 6 or 7"),
    "truncated": (_cut, "truncated"),
    "header_alone": (_bytes(_HEADER + bytes(8)), "no variable image_info"),
    "damaged_stream": (_bytes(_HEADER + struct.pack("<II", 15, 64) + bytes(range(64))), "damaged"),
    "empty_stream": (_bytes(lambda: _HEADER + _compressed(b"")), "no variable image_info"),
    "other_variable": (_saved({"annPoints": HEADS}), "no variable image_info"),
    "numbers_alone": (_saved({"image_info": HEADS}), "should be a cell"),
    "empty_cell": (_saved({"image_info": np.empty((0, 0), dtype=object)}), "should be a cell"),
    "no_location": (_saved({"image_info": {"points": HEADS}}), "no field location"),
    "text_location": (_located("here"), "matrix of numbers"),
    "cell_location": (_located(np.array([[HEADS, HEADS]], dtype=object)), "matrix of numbers"),
    "struct_location": (_located({"x": 1}), "matrix of numbers"),
    "sparse_location": (_located(scipy.sparse.csc_matrix(HEADS)), "matrix of numbers"),
    "complex_location": (_located(HEADS + 1j), "matrix of numbers"),
    "three_columns": (_located(np.ones((4, 3))), "4 x 3"),
    "transposed": (_located(np.ones((2, 5))), "2 x 5"),
    "three_dimensions": (_located(np.ones((2, 2, 2))), "matrix of numbers"),
    "nan": (_located(np.array([[1.0, np.nan]])), "NaN or infinite"),
    "infinite": (_located(np.array([[np.inf, 2.0]])), "NaN or infinite"),
    "far_outside": (_located(np.array([[1.0, 2.0], [500.0, 3.0]])), "head 2 at (500, 3) lies outside"),
    "far_negative": (_located(np.array([[-1e30, 3.0]])), "head 1 at (-1e+30, 3) lies outside"),
    "object": (_bytes(_HEADER + matrix(_OBJECT, (1, 1), b"image_info", element(1, b"evil"))), "should be a cell"),
    "function": (_bytes(_HEADER + matrix(_FUNCTION, (1, 1), b"image_info", b"")), "should be a cell"),
    "opaque": (_bytes(_HEADER + matrix(_OPAQUE, (1, 1), b"image_info", b"")), "should be a cell"),
    "lying_shape": (_bytes(_HEADER + _truth((2**29, 2), _ONE)), "heads; at most 1,000,000"),
    "short_numbers": (_bytes(_HEADER + _truth((50, 2), _ONE)), "is damaged"),
    "many_dimensions": (
        _bytes(_HEADER + _compressed(matrix(_CELL, (2**31 - 1,) * 200_000, b"image_info", b""))),
        "more than 32 dimensions",
    ),
    "many_dimensions_of_one": (
        _bytes(_HEADER + _compressed(matrix(_CELL, (1,) * 200_000, b"image_info", b""))),
        "more than 32 dimensions",
    ),
    "negative_shape": (_bytes(_HEADER + _truth((-2, 2), _ONE)), "is damaged"),
    "billion_cells": (_bytes(_HEADER + matrix(_CELL, (2**15, 2**15), b"image_info", b"")), "should be a cell"),
    "nested_deep": (_bytes(lambda: _HEADER + _nested(200_000)), "should be a cell"),
    "ten_million_heads": (
        _bytes(lambda: _HEADER + _compressed(_truth((10_000_000, 2), bytes(160_000_000)))),
        "once it is inflated",
    ),
    "many_heads": (
        _bytes(lambda: _HEADER + _compressed(_truth((1_500_000, 2), bytes(24_000_000)))),
        "at most 1,000,000",
    ),
    "large_file": (_sparse_file, "160,000,200 bytes"),
    "many_inflating": (_bytes(lambda: _HEADER + _compressed(element(14, bytes(10_000_000))) * 500), "GT_IMG_2.mat"),
    "many_fields": (
        _bytes(
            lambda: (
                _HEADER
                + matrix(
                    _STRUCT, (1, 1), b"image_info", element(5, struct.pack("<i", 1)) + element(1, bytes(20_000_000))
                )
            )
        ),
        "no struct with the field location",
    ),
}

MAT_CASES = [
    Case(f"mat_{name}", make, lambda root: ShanghaiTech(root=root).crowds("train"), says)
    for name, (make, says) in _MAKERS.items()
]
