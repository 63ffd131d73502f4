"""Crowds to files that any other code base can read: losslessly, whole or not at all, at any size of set."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Literal, TypeVar

import numpy as np
import scipy.io
from PIL import Image
from torch import Tensor

from countguard.csv_text import csv_lines
from countguard.data.crowd import Crowd
from countguard.data.in_flight import PICTURES
from countguard.data.source import Part
from countguard.errors import InputError
from countguard.writing import whole_folder

Progress = Callable[[int], None]
"""Hears how many images are written."""

PUBLIC_TRUTHS = ("ground-truth", "ground_truth")
"""The two names under which code bases look for ShanghaiTech's heads."""

_NAME_BYTES = 200

Written = TypeVar("Written")


def write_shanghaitech(
    crowds: Sequence[Crowd],
    root: Path,
    part: Literal["A", "B"],
    split: Part = "train",
    *,
    suffix: Literal[".png", ".jpg"] = ".png",
    truths: Sequence[str] = ("ground-truth",),
    progress: Progress | None = None,
) -> list[str]:
    """Writes `root/part_B/train_data` with PNG pictures and `.mat` heads; returns the pictures' names without suffix.

    A name is the crowd's id, with `IMG_` before it where it lacks that: other code bases find `GT_IMG_1.mat` by it.
    `countguard.data.shanghaitech` reads the same pictures and heads back, bit by bit, in natural order of their names.
    Crowds are read in several threads at once, and only as many are in memory as there are cores.

    Args:
        crowds: at least one; ids unique and fit for a file name.
        root: made where it is missing.
        part: of ShanghaiTech, whose layout is written.
        split: its official training or test part; `val` is none of ShanghaiTech's, and written as `val_data`.
        suffix: of the pictures' names. What is inside is PNG either way, bit by bit: code bases that look for `*.jpg`
            open it by its content.
        truths: folders of heads, each with all of them: code bases look for `ground-truth` or for `ground_truth`.
        progress: called after each image.

    Raises:
        InputError: the part's folder is there and not empty, or an id is no file name or not unique.
        RunError: the disk is full or the folder cannot be written to.
    """
    with whole_folder(root / f"part_{part}" / f"{split}_data") as folder:
        (folder / "images").mkdir()
        for truth in truths:
            (folder / truth).mkdir()
        names = _Names("IMG_")

        def write(position: int) -> str:
            crowd = crowds[position]
            name = names.claim(crowd.id)
            _write_png(crowd.image, folder / "images" / f"{name}{suffix}")
            for truth in truths:
                _write_mat(crowd.points, folder / truth / f"GT_{name}.mat")
            return name

        return list(_in_threads(write, len(crowds), progress))


def write_folder(crowds: Sequence[Crowd], root: Path, *, progress: Progress | None = None) -> list[str]:
    """Writes `root/images/*.png` and `root/points.csv`; returns the pictures' names without suffix, which are the ids.

    `countguard.data.folder` reads the same pictures and heads back, bit by bit. See `write_shanghaitech`, also for
    what is raised.
    """
    with whole_folder(root) as folder:
        (folder / "images").mkdir()
        names = _Names("")

        def write(position: int) -> tuple[str, Tensor]:
            crowd = crowds[position]
            name = names.claim(crowd.id)
            _write_png(crowd.image, folder / "images" / f"{name}.png")
            return name, crowd.points

        written = []
        with (folder / "points.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(csv_lines([("image", "x", "y")]))
            for name, points in _in_threads(write, len(crowds), progress):
                file.write(csv_lines((f"{name}.png", *head) for head in points.tolist() or [(None, None)]))
                written.append(name)
        return written


def write_coco(crowds: Sequence[Crowd], root: Path, part: Part, *, progress: Progress | None = None) -> list[str]:
    """Writes `images/train/*.png` and `annotations/person_keypoints_train.json`; returns the pictures' names.

    A head is a person with one keypoint, called head, and a box of a pixel around it. `countguard.data.formats.coco`
    reads the same pictures and heads back, bit by bit. See `write_shanghaitech`, also for what is raised.
    """
    images = root / "images" / part
    images.mkdir(parents=True)
    (root / "annotations").mkdir(exist_ok=True)
    names = _Names("")

    def write(position: int) -> tuple[str, Crowd]:
        crowd = crowds[position]
        name = names.claim(crowd.id)
        _write_png(crowd.image, images / f"{name}.png")
        return name, crowd

    entries, written, heads = [], [], 0
    annotations = root / "annotations" / f"person_keypoints_{part}.json"
    with annotations.open("w", encoding="utf-8") as file:
        categories = [{"id": 1, "name": "head", "keypoints": ["head"], "skeleton": []}]
        file.write(f'{{"categories": {json.dumps(categories)},\n"annotations": [')
        for number, (name, crowd) in enumerate(_in_threads(write, len(crowds), progress), start=1):
            entries.append({"id": number, "file_name": f"{name}.png", "width": crowd.width, "height": crowd.height})
            for x, y in crowd.points.tolist():
                heads += 1
                entry = {"id": heads, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 1.0}
                place = {"bbox": [x - 0.5, y - 0.5, 1.0, 1.0], "keypoints": [x, y, 2], "num_keypoints": 1}
                file.write(("," if heads > 1 else "") + "\n " + json.dumps(entry | place))
            written.append(name)
        file.write(f'\n],\n"images": {json.dumps(entries, ensure_ascii=False)}}}\n')
    return written


class _Names:
    """File names of crowds: each used once, none a path."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._used: set[str] = set()
        self._lock = Lock()

    def claim(self, crowd_id: str) -> str:
        name = crowd_id if crowd_id.startswith(self._prefix) else self._prefix + crowd_id
        fits = 0 < len(name.encode(errors="replace")) <= _NAME_BYTES and name.isprintable() and not name.startswith(".")
        if not fits or set(name) & set("/\\"):
            raise InputError(f"image {crowd_id[:80]!r}: its id should be fit for a file name")
        with self._lock:
            if name in self._used:
                raise InputError(f"image {crowd_id!r}: another image has this id; ids should be unique")
            self._used.add(name)
        return name


def _in_threads(write: Callable[[int], Written], length: int, progress: Progress | None) -> Iterator[Written]:
    """The results of `write` for 0..length - 1, in order; few are waiting at any time, however many there are."""
    workers = os.cpu_count() or 1
    pending: deque[Future[Written]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for position in range(length + 2 * workers):
                if position < length:
                    pending.append(pool.submit(write, position))
                if position >= 2 * workers:
                    yield pending.popleft().result()
                    if progress is not None:
                        progress(position - 2 * workers + 1)
        finally:
            pool.shutdown(cancel_futures=True)


def _write_png(image: Tensor, path: Path) -> None:
    with PICTURES.holding(image.shape[-2] * image.shape[-1]):
        picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))
        picture.save(
            path, "PNG", compress_level=1
        )  # a tenth larger than at the default level, in a quarter of its time


def _write_mat(points: Tensor, path: Path) -> None:
    record = np.empty((1, 1), dtype=[("location", object), ("number", object)])
    record[0, 0] = (points.cpu().numpy().astype(np.float64).reshape(-1, 2), np.float64(len(points)))
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = record
    scipy.io.savemat(path, {"image_info": cell})
