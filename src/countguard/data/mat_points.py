"""Head points in the MATLAB files of other sets than ShanghaiTech: `annPoints`, and frames of a video."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countguard.data.matfile import (
    MAX_HEADS,
    MAX_MAT_BYTES,
    BrokenMat,
    MatArray,
    is_hdf5,
    read_variable,
)
from countguard.errors import InputError
from countguard.reading import read_file, require_inside

MAX_FRAMES = 200_000
"""Frames of one file."""
_CELL, _STRUCT = 1, 2
_NUMERIC = range(6, 16)


def holds_variable(path: Path, root: Path, name: bytes) -> bool:
    """Whether a file of a data set is a MATLAB file that has a variable of this name."""
    try:
        require_inside(path, root.resolve())
        content = read_file(path, MAX_MAT_BYTES)
        if is_hdf5(content):
            return name in content
        return read_variable(path, content, name, "it", lambda array: True)
    except InputError:
        return False


def read_ann_points(path: Path) -> NDArray[np.float64]:
    """`annPoints` of UCF-QNRF, UCF_CC_50 and NWPU-Crowd: float64 [heads, 2], x then y.

    Raises:
        InputError: see `countguard.data.matfile.read_head_points`.
    """
    content = read_file(path, MAX_MAT_BYTES)
    if is_hdf5(content):
        from countguard.data.mat73 import read_matrix

        return heads_of(read_matrix(path, content, "annPoints"), f"{path}: annPoints")
    return read_variable(path, content, b"annPoints", "the heads, x then y", lambda array: _matrix(array, "annPoints"))


def read_frames(path: Path) -> list[NDArray[np.float64]]:
    """The heads of each frame: `frame{i}.loc` of Mall and UCSD, or `fgt.frame{i}.loc` of UCSD's full annotation.

    Raises:
        InputError: see `countguard.data.matfile.read_head_points`.
    """
    content = read_file(path, MAX_MAT_BYTES)
    if is_hdf5(content):
        from countguard.data.mat73 import read_frame_locations

        found = read_frame_locations(path, content, MAX_FRAMES)
        return [heads_of(frame, f"{path}: frame {number}") for number, frame in enumerate(found, start=1)]
    holds = "the heads of frames as frame{1}.loc"
    try:
        return read_variable(path, content, b"frame", holds, _frames)
    except InputError:
        if not _has(path, content, b"fgt"):
            raise
    return read_variable(path, content, b"fgt", holds, lambda array: _frames(_field(array, b"frame", "fgt")))


def heads_of(matrix: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """The first two columns of a matrix [heads, 2 or more]; an empty one of any shape has no heads.

    Raises:
        InputError: it has one column or three axes, or too many heads; begins with `where`.
    """
    if matrix.size == 0:
        return np.zeros((0, 2))
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        shape = " x ".join(map(str, matrix.shape))
        raise InputError(f"{where} is {shape}; it should be heads x 2, x then y")
    if len(matrix) > MAX_HEADS:
        raise InputError(f"{where} has {len(matrix):,} heads; at most {MAX_HEADS:,} are read")
    return np.ascontiguousarray(matrix[:, :2], dtype=np.float64)


def _has(path: Path, content: bytes, name: bytes) -> bool:
    try:
        return read_variable(path, content, name, "it", lambda array: True)
    except InputError:
        return False


def _frames(frames: MatArray) -> list[NDArray[np.float64]]:
    """`loc` of each element of a cell of structs, or of one array of structs."""
    if math.prod(frames.shape) > MAX_FRAMES:
        raise BrokenMat(f"has more than {MAX_FRAMES:,} frames")
    if frames.kind == _STRUCT:
        names = frames.fields()
        if b"loc" not in names:
            raise BrokenMat("frame has no field loc")
        place = names.index(b"loc")
        found = [child for index, child in enumerate(frames.children()) if index % len(names) == place]
    elif frames.kind == _CELL:
        found = [None if child is None else _field(child, b"loc", "frame") for child in frames.children()]
    else:
        raise BrokenMat("frame should be a cell of structs with the field loc")
    return [np.zeros((0, 2)) if child is None else _matrix(child, "frame.loc") for child in found]


def _field(record: MatArray, name: bytes, where: str) -> MatArray:
    if record.kind != _STRUCT or math.prod(record.shape) != 1:
        raise BrokenMat(f"{where} should be a struct with the field {name.decode()}")
    names = record.fields()
    if name not in names:
        raise BrokenMat(f"{where} has no field {name.decode()}")
    for index, child in enumerate(record.children()):
        if index == names.index(name) and child is not None:
            return child
    raise BrokenMat(f"{where}.{name.decode()} is empty")


def _matrix(array: MatArray, where: str) -> NDArray[np.float64]:
    if array.kind not in _NUMERIC or array.complex:
        raise BrokenMat(f"{where} should be a matrix of numbers, heads x 2")
    if 0 in array.shape:
        return np.zeros((0, 2))
    try:
        return heads_of(array.numbers(), where)
    except InputError as error:
        raise BrokenMat(str(error)) from None
