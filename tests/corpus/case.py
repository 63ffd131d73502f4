"""A bad input and how it is opened, with small good files to build bad ones from."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        name: of the case, fit for a folder's name.
        make: writes the input into an empty folder and returns the path that a user would give.
        open: what reads it; it should raise InputError.
        says: a part of the line that the user sees.
    """

    name: str
    make: Callable[[Path], Path]
    open: Callable[[Path], object]
    says: str


HEADS = np.array([[10.5, 12.0], [40.0, 20.25]])


def picture(path: Path, width: int = 64, height: int = 48) -> Path:
    """A good picture of noise in the format of the path's suffix."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path)
    return path


def mat(path: Path, location: object = HEADS) -> Path:
    """A ground truth as ShanghaiTech has it."""
    record = np.empty((1, 1), dtype=[("location", object), ("number", object)])
    record[0, 0] = (location, 2.0)
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = record
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"image_info": cell})
    return path


def shanghaitech(root: Path, images: int = 2) -> Path:
    """A good part_B/train_data."""
    for number in range(1, images + 1):
        picture(root / f"part_B/train_data/images/IMG_{number}.jpg")
        mat(root / f"part_B/train_data/ground-truth/GT_IMG_{number}.mat")
    return root


def folder(root: Path, rows: Sequence[Sequence[object]] = (("a.jpg", 1, 2), ("b.png", "", ""))) -> Path:
    """A good folder of two pictures with points.csv."""
    picture(root / "images/a.jpg")
    picture(root / "images/b.png")
    with (root / "points.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "x", "y"), *rows])
    return root
