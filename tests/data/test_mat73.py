"""MATLAB files of version 7.3, written as MATLAB writes them."""

from pathlib import Path

import numpy as np
import pytest

from countguard.data.mat_points import read_ann_points, read_frames
from countguard.data.matfile import read_head_points
from countguard.errors import InputError

h5py = pytest.importorskip("h5py", reason="MATLAB files of version 7.3 need the extra mat73")

HEADS = np.array([[10.5, 12.0], [40.0, 20.25], [3.0, 4.0]])


def opened(path: Path) -> "h5py.File":
    return h5py.File(path, "w", userblock_size=512)


def test_image_info_is_read(tmp_path: Path) -> None:
    with opened(tmp_path / "GT_IMG_1.mat") as file:
        inner = file.create_group("#refs#/a")
        inner["location"], inner["number"] = HEADS.T, np.array([[3.0]])
        file.create_dataset("image_info", (1, 1), dtype=h5py.ref_dtype)[0, 0] = inner.ref
    assert read_head_points(tmp_path / "GT_IMG_1.mat").tolist() == HEADS.tolist()
    with opened(tmp_path / "plain.mat") as file:
        file.create_group("image_info")["location"] = HEADS.T
    assert read_head_points(tmp_path / "plain.mat").tolist() == HEADS.tolist()


def test_points_and_frames_are_read(tmp_path: Path) -> None:
    with opened(tmp_path / "ann.mat") as file:
        file["annPoints"] = HEADS.T
    assert read_ann_points(tmp_path / "ann.mat").tolist() == HEADS.tolist()
    with opened(tmp_path / "frames.mat") as file:
        frames = [file.create_group(f"#refs#/{letter}") for letter in "abc"]
        frames[0]["loc"], frames[1]["loc"] = HEADS.T, HEADS[:1].T
        frames[2]["loc"] = np.array([0, 0], dtype=np.uint64)  # MATLAB's way to write an empty matrix
        frames[2]["loc"].attrs["MATLAB_empty"] = 1
        cell = file.create_dataset("frame", (3, 1), dtype=h5py.ref_dtype)
        for place, frame in enumerate(frames):
            cell[place, 0] = frame.ref
    assert [found.tolist() for found in read_frames(tmp_path / "frames.mat")] == [
        HEADS.tolist(),
        HEADS[:1].tolist(),
        [],
    ]


def test_nothing_is_read_out_of_another_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["annPoints"] = HEADS.T
    (tmp_path / "raw.bin").write_bytes(HEADS.T.tobytes())
    with opened(tmp_path / "link.mat") as file:
        file["annPoints"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "annPoints")
    with opened(tmp_path / "storage.mat") as file:
        file.create_dataset("annPoints", (2, 3), "f8", external=[(str(tmp_path / "raw.bin"), 0, 48)])
    layout = h5py.VirtualLayout((2, 3), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "annPoints", (2, 3))
    with opened(tmp_path / "virtual.mat") as file:
        file.create_virtual_dataset("annPoints", layout)
    for name in ("link", "storage", "virtual"):
        with pytest.raises(InputError, match="values in the file itself"):
            read_ann_points(tmp_path / f"{name}.mat")


def test_a_matrix_that_promises_gigabytes_is_not_read(tmp_path: Path) -> None:
    with opened(tmp_path / "huge.mat") as file:
        file.create_dataset("annPoints", (2, 1 << 30), "f8", chunks=(2, 1 << 16), compression="gzip")
    assert (tmp_path / "huge.mat").stat().st_size < 1 << 20
    with pytest.raises(InputError, match="once it is read"):
        read_ann_points(tmp_path / "huge.mat")
