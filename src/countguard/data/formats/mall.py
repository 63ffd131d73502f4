"""Mall (Chen et al., BMVC 2012): 2,000 frames of one camera, `frames/seq_000001.jpg`, with `mall_gt.mat`."""

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveInt

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting
from countguard.data.formats.objects import given
from countguard.data.look import pictures_in
from countguard.data.mat_points import read_frames
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder, require_inside


@SOURCES.register()
class Mall(FileSource):
    """`mall_gt.mat` holds the heads of every frame as `frame{i}.loc`; the first 800 frames are the training images.

    Attributes:
        train: how many frames are training images; the others are the test images.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["mall"] = "mall"
    train: PositiveInt = 800

    @property
    def name(self) -> str:
        """`Mall`."""
        return "Mall"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        if (root / "mall_gt.mat").is_file() and (root / "frames").is_dir():
            return Sighting("holds mall_gt.mat and frames", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        file = root / "mall_gt.mat"
        if not file.is_file() or not (root / "frames").is_dir():
            raise InputError(f"{root}: should hold mall_gt.mat and frames")
        return {"train": file, "test": file} if len(pictures_in(root / "frames")) > self.train else {"train": file}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        file = self.parts()[part]
        root = require_folder(self.root, "data.root")
        require_inside(file, root)
        frames = pictures_in(root / "frames")
        heads = read_frames(file)
        if len(heads) != len(frames):
            raise InputError(f"{file}: holds the heads of {len(heads)} frames; frames holds {len(frames)} pictures")
        annotations = [
            Annotation(image, file, f"frame {number}", partial(given, points))
            for number, (image, points) in enumerate(zip(frames, heads, strict=True), start=1)
        ]
        return Labels(annotations[: self.train] if part == "train" else annotations[self.train :])
