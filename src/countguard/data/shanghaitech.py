"""ShanghaiTech (Zhang et al., CVPR 2016) in the layouts met in the wild."""

import re
from functools import partial
from pathlib import Path
from typing import Literal

from countguard.data.annotated import Annotation, FileSource, pictures
from countguard.data.matfile import read_head_points
from countguard.data.source import SOURCES
from countguard.errors import InputError
from countguard.reading import require_folder

_TRUTH = {"ground-truth", "ground_truth"}


@SOURCES.register()
class ShanghaiTech(FileSource):
    """Pictures `IMG_1.jpg` in `images`, heads in `GT_IMG_1.mat` in `ground-truth` or `ground_truth`.

    Heads are taken as they stand in `image_info`, x then y, as continuous pixels counted from 0.

    Attributes:
        root: the folder that holds `part_B` or `part_B_final`, that part itself, or one `train_data` of it.
        part: B is the street, A the web's denser crowds.
    """

    kind: Literal["shanghaitech"] = "shanghaitech"
    part: Literal["A", "B"] = "B"

    @property
    def name(self) -> str:
        """`ShanghaiTech Part_A` or `ShanghaiTech Part_B`."""
        return f"ShanghaiTech Part_{self.part}"

    def part_folder(self, part: Literal["train", "test"]) -> Path | None:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        named = part_named(root)
        if named is not None and named != self.part:
            raise InputError(f"{self.root}: is part {named}; data.part should say so, it says {self.part}")
        if truth_folder(root) is not None:
            return root if part == "train" else None
        folder = root if holds_parts(root) else self._find(root)
        wanted = folder / f"{part}_data"
        return wanted if wanted.is_dir() else None

    def labels(self, folder: Path) -> list[Annotation]:
        """See `FileSource`."""
        truth = truth_folder(folder)
        if truth is None or not (folder / "images").is_dir():
            raise InputError(f"{folder}: should hold the folders images and ground-truth")
        images = pictures(folder / "images")
        stems = {path.stem for path in images}
        for file in sorted(truth.glob("GT_*.mat")):
            if file.stem.removeprefix("GT_") not in stems:  # its picture is missing: reading it will say so
                images.append(folder / "images" / f"{file.stem.removeprefix('GT_')}.jpg")
        files = [truth / f"GT_{image.stem}.mat" for image in images]
        return [
            Annotation(image, file, "image_info", partial(read_head_points, file))
            for image, file in zip(images, files, strict=True)
        ]

    def _find(self, root: Path) -> Path:
        wanted = {f"part_{self.part.lower()}", f"part_{self.part.lower()}_final"}
        found = sorted(path for path in root.iterdir() if path.name.lower() in wanted and path.is_dir())
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"{root}: holds {found[0].name} and {found[1].name}; data.root should name one of them")
        raise InputError(
            f"{root}: holds no part_{self.part}; data.root should name what holds part_{self.part}/train_data"
        )


def truth_folder(folder: Path) -> Path | None:
    """The folder of head points beside `images`, None where there is none."""
    found = sorted(path for path in folder.iterdir() if path.name.lower() in _TRUTH and path.is_dir())
    return found[0] if found else None


def holds_parts(folder: Path) -> bool:
    """Whether a folder has official training or test images of ShanghaiTech in it."""
    return (folder / "train_data").is_dir() or (folder / "test_data").is_dir()


def part_named(folder: Path) -> Literal["A", "B"] | None:
    """The part that a folder, or the one around its `train_data`, is named after."""
    for name in (folder.name, folder.parent.name if folder.name in {"train_data", "test_data"} else ""):
        if match := re.fullmatch(r"part_([ab])(_final)?", name.lower()):
            return "A" if match[1] == "a" else "B"
    return None
