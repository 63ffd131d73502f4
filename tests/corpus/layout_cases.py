"""Data sets whose files are good and whose layout is not."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io

from corpus.case import Case, folder, mat, picture, shanghaitech
from corpus.image_cases import png_chunk
from countguard.data.check import check_data
from countguard.data.folder import Folder
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.source import HeldBack
from countguard.data.sources import open_source

TRAIN = "part_B/train_data"


def _part_b(root: Path) -> object:
    return ShanghaiTech(root=root).crowds("train")


def _folder(root: Path) -> object:
    return Folder(root=root).crowds("train")


def _without(*names: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        shanghaitech(root)
        for name in names:
            (root / TRAIN / name).unlink()
        return root

    return make


def _linked(name: str) -> Callable[[Path], Path]:
    """A set in which one file is a link to the same file outside."""

    def make(root: Path) -> Path:
        shanghaitech(root / "set")
        (root / "set" / TRAIN / name).rename(root / "outside")
        (root / "set" / TRAIN / name).symlink_to(root / "outside")
        return root / "set"

    return make


def _linked_folder(root: Path) -> Path:
    shanghaitech(root / "other")
    (root / "set").mkdir()
    (root / "set/part_B").symlink_to(root / "other/part_B")
    return root / "set"


def _no_head(root: Path) -> Path:
    shanghaitech(root)
    for number in (1, 2):
        mat(root / TRAIN / f"ground-truth/GT_IMG_{number}.mat", np.zeros((0, 2)))
    return root


def _twins(root: Path) -> Path:
    picture(shanghaitech(root) / TRAIN / "images/IMG_1.png")
    return root


def _two_parts(root: Path) -> Path:
    shanghaitech(root)
    (root / "part_B").rename(root / "part_B_final")
    return shanghaitech(root)


def _parts_a_and_b(root: Path) -> Path:
    (shanghaitech(root) / "part_A/train_data").mkdir(parents=True)
    return root


def _part_a(root: Path) -> Path:
    shanghaitech(root)
    return (root / "part_B").rename(root / "part_A")


def _empty_part(root: Path) -> Path:
    (root / "part_B").mkdir()
    return root


def _empty_images(root: Path) -> Path:
    (root / TRAIN / "images").mkdir(parents=True)
    (root / TRAIN / "ground-truth").mkdir()
    return root


def _images_alone(root: Path) -> Path:
    picture(root / TRAIN / "images/IMG_1.jpg")
    return root


def _truth_alone(root: Path) -> Path:
    mat(root / TRAIN / "ground-truth/GT_IMG_1.mat")
    return root


def _mat_files_of_nobody(root: Path) -> Path:
    """Pictures and MATLAB files that hold something else than heads."""
    picture(root / "images/a.jpg")
    (root / "ground-truth").mkdir()
    scipy.io.savemat(root / "ground-truth/GT_a.mat", {"density": np.zeros((4, 4))})
    return root


def _part_without_parts(root: Path) -> Path:
    picture(root / "part_A/pictures/images/IMG_1.jpg")
    return root


def _two_formats(root: Path) -> Path:
    folder(root)
    picture(root / "Train/img_0001.jpg")
    scipy.io.savemat(root / "Train/img_0001_ann.mat", {"annPoints": np.ones((2, 2))})
    return root


def _two_tables(root: Path) -> Path:
    (folder(root) / "points.json").write_text("{}")
    return root


def _file(root: Path) -> Path:
    return picture(root / "crowd.jpg")


def _named(name: str) -> Callable[[Path], Path]:
    """A set in which one picture is called so, and its heads too."""

    def make(root: Path) -> Path:
        train = shanghaitech(root) / TRAIN
        (train / "images/IMG_1.jpg").rename(train / f"images/{name}.jpg")
        (train / "ground-truth/GT_IMG_1.mat").rename(train / f"ground-truth/GT_{name}.mat")
        return root

    return make


def palettes(root: Path, *, heads: bool = False) -> Path:
    """Pictures of 4 kB, which take half a gigabyte each where several are decoded at once."""
    root.mkdir(exist_ok=True)
    side = 5600
    rows = (b"\0" + bytes(side // 8)) * side
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", side, side, 1, 3, 0, 0, 0),
        b"PLTE": bytes(6),
        b"tRNS": b"\x80\x80",
        b"IDAT": zlib.compress(rows, 9),
        b"IEND": b"",
    }
    content = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks.items())
    names = [f"{number}.png" for number in range(6)]
    for name in names:
        (root / name).write_bytes(content)
    point = "9,9" if heads else ","
    (root / "points.csv").write_text("image,x,y\n" + "".join(f"{name},{point}\n" for name in names))
    return root


def _all_bad(root: Path) -> Path:
    shanghaitech(root)
    for path in (root / TRAIN / "images").iterdir():
        path.write_bytes(b"nothing")
    return root


def _strange_pictures(root: Path) -> Path:
    (root / "crowd.tiff").write_bytes(b"II*\0")
    (root / "points.csv").write_text("image,x,y\ncrowd.tiff,1,1\n")
    return root


def _skipping(root: Path) -> object:
    return ShanghaiTech(root=root, skip_bad=True).crowds("train")


def _skipping_folder(root: Path) -> object:
    return Folder(root=root, skip_bad=True).crowds("train")


def _held_back(root: Path) -> object:
    return ShanghaiTech(root=root, split=HeldBack(fraction=0.9)).load()


_CASES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], str]] = {
    "missing_root": (lambda root: root / "gone", _part_b, "is not there; data.root"),
    "long_root": (lambda root: root / ("a" * 300), _part_b, "File name too long"),
    "file_for_root": (_file, _part_b, "is not a folder; data.root"),
    "empty_root": (lambda root: root, _part_b, "holds no part_B"),
    "other_part": (_part_a, _part_b, "data.part should say so"),
    "two_folders_of_one_part": (_two_parts, _part_b, "part_B and part_B_final"),
    "no_train_data": (_empty_part, _part_b, "should hold train_data or test_data"),
    "no_test_data": (shanghaitech, lambda root: ShanghaiTech(root=root).load(), "held_back"),
    "no_pictures": (_empty_images, _part_b, "holds no picture"),
    "no_ground_truth": (_images_alone, _part_b, "images and ground-truth"),
    "no_images": (_truth_alone, _part_b, "images and ground-truth"),
    "missing_mat": (_without("ground-truth/GT_IMG_2.mat"), _part_b, "GT_IMG_2.mat: is missing"),
    "missing_picture": (_without("images/IMG_2.jpg"), _part_b, "IMG_2.jpg: is missing"),
    "not_one_head": (_no_head, _part_b, "not one head"),
    "twin_names": (_twins, _part_b, "IMG_1.png: has the same name as IMG_1.jpg"),
    "picture_linked_out": (_linked("images/IMG_1.jpg"), _part_b, "is a link out of"),
    "mat_linked_out": (_linked("ground-truth/GT_IMG_1.mat"), _part_b, "is a link out of"),
    "part_linked_out": (_linked_folder, _part_b, "is a link out of"),
    "all_bad_and_skipped": (_all_bad, _skipping, "not one good image is left of 2; the first one: "),
    "name_of_two_lines": (_named("a\nb"), _part_b, "its name holds a control character"),
    "name_that_clears_a_terminal": (_named("\x1b[2Ja"), _part_b, "its name holds a control character"),
    "name_of_no_utf8": (_named(os.fsdecode(b"a\xff")), _part_b, "its name holds a byte that is no UTF-8"),
    "name_that_ends_a_line": (_named("a\u2028b"), _part_b, "its name holds a line end"),
    "name_that_turns": (_named("a\u202egpj.exe"), _part_b, "its name holds a mark that turns text"),
    "pictures_decoded_at_once": (palettes, _skipping_folder, "not one head in its 6 images"),
    "nothing_left_to_train": (shanghaitech, _held_back, "leaves no image to train on"),
    "more_than_there_are": (
        shanghaitech,
        lambda root: ShanghaiTech(root=root, images=3).load_training(),
        "data.images",
    ),
    "folder_without_test": (folder, lambda root: Folder(root=root).load(), "held_back"),
    "folder_of_other_formats": (_strange_pictures, _folder, "crowd.tiff: is a damaged or truncated TIFF"),
    "check_of_nothing": (lambda root: root, check_data, "points.csv or points.json; --format names one of"),
    "check_of_both_parts": (_parts_a_and_b, check_data, "part_A and part_B"),
    "check_of_a_file": (_file, open_source, "is not a folder"),
    "mat_files_of_nobody": (_mat_files_of_nobody, check_data, "no known data set is seen in it"),
    "part_without_parts": (_part_without_parts, check_data, "no known data set is seen in it; it holds part_A/"),
    "two_formats": (_two_formats, check_data, "looks like folder (holds points.csv) and like qnrf ("),
    "two_tables": (_two_tables, check_data, "points.csv or points.json has both"),
    "format_of_nobody": (shanghaitech, lambda root: open_source(root, kind="sanghaitech"), "is unknown; there are"),
    "setting_of_nobody": (shanghaitech, lambda root: open_source(root, settings={"box": "head"}), "data.box"),
}

LAYOUT_CASES = [Case(f"layout_{name}", make, read, says) for name, (make, read, says) in _CASES.items()]
