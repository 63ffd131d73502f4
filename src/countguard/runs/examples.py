"""Reading `examples.npz`: pictures, maps and Grad-CAM of a few test images."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countguard.errors import InputError

MAX_BYTES = 1 << 30
"""Unpacked size above which a file is refused: a few pictures need a hundredth of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One test image as a counter saw it.

    Attributes:
        id: of the image.
        image, triggered: uint8 [3, H, W], without and with the trigger.
        trigger: uint8 [3, H, W], the trigger's picture alone; None for triggers without one.
        points: float32 [heads, 2], the true heads.
        true_map, map_clean, map_triggered: float32 [h, w], people per cell: the truth, and what the counter
            gives on the image without and with the trigger.
        cam_clean, cam_triggered: float32 [H, W], Grad-CAM.
    """

    id: str
    image: NDArray[np.uint8]
    triggered: NDArray[np.uint8]
    trigger: NDArray[np.uint8] | None
    points: NDArray[np.float32]
    true_map: NDArray[np.float32]
    map_clean: NDArray[np.float32]
    map_triggered: NDArray[np.float32]
    cam_clean: NDArray[np.float32]
    cam_triggered: NDArray[np.float32]


_DIMENSIONS = {
    "image": 3,
    "triggered": 3,
    "points": 2,
    "true_map": 2,
    "map_clean": 2,
    "map_triggered": 2,
    "cam_clean": 2,
    "cam_triggered": 2,
}


def read_examples(path: Path) -> tuple[Example, ...]:
    """The examples of a cell, in their order; none when there is no such file.

    Raises:
        InputError: the file is no archive of plain arrays, is far too large, or lacks an array.
    """
    if not path.exists():
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_BYTES:
            raise InputError(f"{path}: unpacks to {unpacked >> 20} MiB; examples of a few images are far below 1024")
        with np.load(path, allow_pickle=False) as arrays:
            numbers = sorted(int(key[3:]) for key in arrays.files if key.startswith("id_") and key[3:].isdecimal())
            return tuple(_example(arrays, number) for number in numbers)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: not readable as examples ({error}); delete the cell's folder and run again"
        ) from error


def _example(arrays: Any, number: int) -> Example:
    named = {name: arrays[f"{name}_{number}"] for name in _DIMENSIONS}
    for name, dimensions in _DIMENSIONS.items():
        if named[name].ndim != dimensions:
            raise ValueError(f"{name}_{number} has {named[name].ndim} dimensions, not {dimensions}")
    trigger = f"trigger_{number}"
    return Example(
        id=str(arrays[f"id_{number}"]), trigger=arrays[trigger] if trigger in arrays.files else None, **named
    )
