import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from corpus.case import mat
from corpus.mat_cases import element, matrix
from countguard.data.matfile import read_head_points
from countguard.errors import InputError

TYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]


@given(
    location=st.sampled_from(TYPES).flatmap(
        lambda kind: arrays.arrays(kind, st.tuples(st.integers(0, 8), st.just(2)), elements=st.integers(0, 100))
    ),
    compressed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_kind_of_number_is_read_as_scipy_reads_it(
    tmp_path_factory: pytest.TempPathFactory, location: np.ndarray, compressed: bool
) -> None:
    path = tmp_path_factory.mktemp("mat") / "GT_IMG_1.mat"
    cell = np.empty((1, 1), dtype=object)
    record = np.empty((1, 1), dtype=[("number", object), ("location", object)])
    record[0, 0] = (len(location), location)
    cell[0, 0] = record
    scipy.io.savemat(path, {"before": "text", "image_info": cell, "after": 1}, do_compression=compressed)
    points = read_head_points(path)
    assert points.dtype == np.float64
    assert points.shape == (len(location), 2)
    assert np.array_equal(points, location)


def test_a_struct_without_a_cell_is_read(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"image_info": {"location": np.array([[1.5, 2.5]])}})
    assert read_head_points(tmp_path / "a.mat").tolist() == [[1.5, 2.5]]


@pytest.mark.parametrize("empty", [np.zeros((0, 2)), np.zeros((0, 0)), []])
def test_no_head_is_no_error(tmp_path: Path, empty: object) -> None:
    assert read_head_points(mat(tmp_path / "a.mat", empty)).shape == (0, 2)


def test_a_file_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    def big(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    def array(kind: int, shape: tuple[int, int], name: bytes, body: bytes) -> bytes:
        return big(14, big(6, struct.pack(">II", kind, 0)) + big(5, struct.pack(">ii", *shape)) + big(1, name) + body)

    location = array(6, (2, 2), b"", big(9, struct.pack(">4d", 1, 2, 30, 40)))
    fields = big(5, struct.pack(">i", 16)) + big(1, b"location".ljust(16, b"\0"))
    content = array(1, (1, 1), b"image_info", array(2, (1, 1), b"", fields + location))
    (tmp_path / "a.mat").write_bytes(b"MATLAB".ljust(124) + b"\1\0MI" + content)
    assert read_head_points(tmp_path / "a.mat").tolist() == [[1, 30], [2, 40]]


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + content)
    with pytest.raises(InputError):
        read_head_points(path)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_changed_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    path = mat(tmp_path_factory.mktemp("mat") / "a.mat")
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(bytes(content))
    with contextlib.suppress(InputError):
        assert read_head_points(path).shape[1] == 2


def test_a_matrix_of_the_helpers_is_what_scipy_reads(tmp_path: Path) -> None:
    """The corpus builds its files by hand: the parts that are not broken on purpose have to be right."""
    numbers = element(9, struct.pack("<4d", 1, 2, 3, 4))
    content = matrix(6, (2, 2), b"image_info", numbers)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + content)
    assert scipy.io.loadmat(tmp_path / "a.mat")["image_info"].tolist() == [[1, 3], [2, 4]]


def test_real_files_are_read_as_scipy_reads_them(real: Path) -> None:
    files = sorted(real.glob("part_?/train_data/ground-truth/*.mat"))[::10]
    assert len(files) >= 40
    for file in files:
        assert np.array_equal(read_head_points(file), scipy.io.loadmat(file)["image_info"][0, 0][0, 0][0])
