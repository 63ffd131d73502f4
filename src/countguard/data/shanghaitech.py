"""ShanghaiTech (Zhang et al., CVPR 2016) in the layouts met in the wild."""

import re
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting, pictures
from countguard.data.look import PART_NAMES, files_with, part_folders, subfolder, subfolders
from countguard.data.mat_points import holds_variable
from countguard.data.matfile import read_head_points
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_IMAGES = ("images", "img", "imgs")
_TRUTH = ("ground-truth", "ground_truth", "groundtruth", "ground truth")
_PART = re.compile(
    r"(?:shanghai_?tech|sht|sh)?_*part_*([ab])(?:_final)?|(?:shanghai_?tech|shh|sht|sh)_*([ab])(?:_final)?"
)


@SOURCES.register()
class ShanghaiTech(FileSource):
    """Pictures `IMG_1.jpg` in `images`, heads in `GT_IMG_1.mat` in `ground-truth` or `ground_truth`.

    Heads are taken as they stand in `image_info`, x then y, as continuous pixels counted from 0.

    Attributes:
        root: the folder that holds `part_B` or `part_B_final`, that part itself, or one `train_data` of it. The parts
            may also be called `SHHB`, `shanghaitech_part_B` and alike, and `train_data` `train`.
        part: B is the street, A the web's denser crowds; None where a set of this layout is neither.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["shanghaitech"] = "shanghaitech"
    part: Literal["A", "B"] | None = "B"

    @property
    def name(self) -> str:
        """`ShanghaiTech Part_A`, `ShanghaiTech Part_B`, or the folder's own name."""
        return f"ShanghaiTech Part_{self.part}" if self.part else self.root.resolve().name

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`; raises InputError for a folder that holds both parts."""
        if (example := _example(root)) is not None:
            return Sighting(f"{example.relative_to(root)} holds image_info", {"part": part_named(root)})
        parts = {path: part_named(path) for path in subfolders(root) if part_named(path)}
        examples = [found for path in parts if (found := _example(path))]
        if not examples:
            return None
        if len(set(parts.values())) > 1:
            raise InputError(f"{root}: holds part_A and part_B; name one of them")
        return Sighting(f"{examples[0].relative_to(root)} holds image_info", {"part": next(iter(parts.values()))})

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        named = part_named(root)
        if named is not None and self.part not in (named, None):
            raise InputError(f"{self.root}: is part {named}; data.part should say so, it says {self.part}")
        if truth_folder(root) is not None:
            return {"train": root}
        folder = root if named is not None or self.part is None or part_folders(root) else self._find(root)
        found = part_folders(folder)
        if not found:
            there = ", ".join(path.name for path in subfolders(folder)) or "no folder"
            raise InputError(f"{folder}: should hold train_data or test_data, or train or test; it holds {there}")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        truth, place = truth_folder(folder), subfolder(folder, *_IMAGES)
        if truth is None or place is None:
            raise InputError(f"{folder}: should hold the folders images and ground-truth")
        images = pictures(place)
        stems = {path.stem for path in images}
        for file in files_with(truth, {".mat"}):
            if file.stem.startswith("GT_") and file.stem.removeprefix("GT_") not in stems:
                images.append(place / f"{file.stem.removeprefix('GT_')}.jpg")  # reading it will say that it is missing
        files = [truth / f"GT_{image.stem}.mat" for image in images]
        return Labels(
            [
                Annotation(image, file, "image_info", partial(read_head_points, file))
                for image, file in zip(images, files, strict=True)
            ]
        )

    def _find(self, root: Path) -> Path:
        found = [path for path in subfolders(root) if part_named(path) == self.part]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"{root}: holds {found[0].name} and {found[1].name}; data.root should name one of them")
        raise InputError(
            f"{root}: holds no part_{self.part}; data.root should name what holds part_{self.part}/train_data"
        )


def truth_folder(folder: Path) -> Path | None:
    """The folder of head points beside `images`, None where there is none; of two names for it the first one.

    Sets for code bases that look under either name hold the same files twice.
    """
    for name in _TRUTH:
        if (found := subfolder(folder, name)) is not None:
            return found
    return None


def part_named(folder: Path) -> Literal["A", "B"] | None:
    """The part that a folder, or the one around its `train_data`, is named after."""
    inner = any(folder.name.casefold() in names for names in PART_NAMES.values())
    for name in (folder.name, folder.resolve().parent.name if inner else ""):
        if match := _PART.fullmatch(re.sub(r"[\s-]", "_", name.casefold())):
            return "A" if "a" in match.groups() else "B"
    return None


def _example(folder: Path) -> Path | None:
    """A file of heads of this layout, of the folder itself or of one of its parts."""
    for place in (folder, *part_folders(folder).values()):
        truth = truth_folder(place)
        if truth is None or subfolder(place, *_IMAGES) is None:
            continue
        for file in files_with(truth, {".mat"})[:3]:
            if file.stem.startswith("GT_") and holds_variable(file, folder, b"image_info"):
                return file
    return None
