"""Embedded crowds as files, for benchmarks that read them as a user's are read."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from countguard.data.crowd import Crowd
from countguard.data.folder import Folder
from countguard.data.synthetic import Synthetic


def jpeg_folder(root: Path, count: int, height: int, width: int, scenes: int) -> Folder:
    """A data set of `count` JPEGs and their head points, which shows `scenes` distinct crowds in turn."""
    settings = Synthetic(train=scenes, test=1, height=height, width=width)
    return as_jpegs(root, settings.crowds("train"), count)


def as_jpegs(root: Path, crowds: Sequence[Crowd], count: int) -> Folder:
    """The crowds in turn, each under as many names as make `count` pictures."""
    (root / "images").mkdir(parents=True)
    with (root / "points.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("image", "x", "y"))
        for index, crowd in enumerate(crowds):
            first = root / "images" / f"IMG_{index + 1}.jpg"
            Image.fromarray(crowd.image.permute(1, 2, 0).numpy()).save(first, quality=95)
            for copy in range(index, count, len(crowds)):
                path = root / "images" / f"IMG_{copy + 1}.jpg"
                if path != first:
                    shutil.copyfile(first, path)
                table.writerows((path.name, *head) for head in crowd.points.tolist() or [("", "")])
    return Folder(root=root)
