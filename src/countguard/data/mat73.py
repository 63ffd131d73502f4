"""Head points out of MATLAB files of version 7.3, which are HDF5, through h5py (extra `mat73`).

An HDF5 file can name other files, in links and in storage, and can promise more than it holds. Only values that are
stored in the file itself are read, and no more bytes than a file of level 5 may hold.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countguard.data.matfile import MAX_MAT_BYTES
from countguard.errors import InputError

_KEPT_INSIDE = "should keep its values in the file itself"


def read_matrix(path: Path, content: bytes, name: str) -> NDArray[np.float64]:
    """A variable that is a matrix of numbers, as MATLAB shows it.

    Raises:
        InputError: h5py is missing, or there is no such matrix.
    """
    with _opened(path, content) as file:
        return _numbers(_member(file, name, path), path, [MAX_MAT_BYTES])


def read_locations(path: Path, content: bytes) -> NDArray[np.float64]:
    """`image_info{1}.location`, or `image_info.location`; raises as `read_matrix`."""
    from countguard.data.mat_points import heads_of

    with _opened(path, content) as file:
        info = _member(file, "image_info", path)
        if not _is_group(info):
            (info,) = _referred(info, file, path, 1)
        location = _numbers(_member(info, "location", path), path, [MAX_MAT_BYTES])
    return heads_of(location, f"{path}: image_info.location")


def read_frame_locations(path: Path, content: bytes, limit: int) -> list[NDArray[np.float64]]:
    """`frame{i}.loc` or `fgt.frame{i}.loc` of at most `limit` frames; raises as `read_matrix`."""
    with _opened(path, content) as file:
        around = file if "frame" in file else _member(file, "fgt", path)
        frames = _member(around, "frame", path)
        if _is_group(frames):  # an array of structs: one field, one reference an element
            places = _referred(_member(frames, "loc", path), file, path, limit)
        else:
            places = [_member(frame, "loc", path) for frame in _referred(frames, file, path, limit)]
        budget = [MAX_MAT_BYTES]
        return [_numbers(place, path, budget) for place in places]


@contextmanager
def _opened(path: Path, content: bytes) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{path}: is a MATLAB file of version 7.3 (HDF5); pip install 'countguard[mat73]' reads it, or save it "
            "with -v7"
        ) from None
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file
    except InputError:
        raise
    except Exception as error:  # h5py raises whatever the HDF5 library says
        raise InputError(
            f"{path}: is a damaged MATLAB file of version 7.3 ({str(error)[:80]}); save it with -v7"
        ) from None


def _member(group: Any, name: str, path: Path) -> Any:
    import h5py

    if not isinstance(group.get(name, getlink=True) if name in group else None, h5py.HardLink):
        raise InputError(f"{path}: has no {name}; it {_KEPT_INSIDE}")
    return group[name]


def _referred(cell: Any, file: Any, path: Path, limit: int) -> list[Any]:
    """What the references of a cell lead to, in MATLAB's order."""
    import h5py

    if h5py.check_ref_dtype(cell.dtype) is not h5py.Reference or not 0 < cell.size <= limit:
        raise InputError(f"{path}: {cell.name} should be a cell of at most {limit:,} elements")
    _require_plain(cell, path)
    return [file[reference] for reference in np.asarray(cell[()]).ravel()]


def _numbers(values: Any, path: Path, budget: list[int]) -> NDArray[np.float64]:
    """A matrix as MATLAB shows it: HDF5 holds it the other way round. `budget` is what may still be read, bytes."""
    _require_plain(values, path)
    if values.attrs.get("MATLAB_empty", 0):
        return np.zeros((0, 2))
    if values.dtype.kind not in "iuf":
        raise InputError(f"{path}: {values.name} should be a matrix of numbers, heads x 2")
    budget[0] -= values.size * 8
    if budget[0] < 0:
        raise InputError(f"{path}: holds more than {MAX_MAT_BYTES:,} bytes once it is read")
    return np.asarray(values[()], dtype=np.float64).T


def _require_plain(values: Any, path: Path) -> None:
    if _is_group(values) or values.is_virtual or values.external:
        raise InputError(f"{path}: {values.name} {_KEPT_INSIDE}")


def _is_group(value: Any) -> bool:
    import h5py

    return isinstance(value, h5py.Group)
