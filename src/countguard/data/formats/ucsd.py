"""UCSD pedestrians (Chan et al., CVPR 2008): clips of 200 gray frames, `vidf1_33_000.y/vidf1_33_000_f001.png`."""

import re
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting
from countguard.data.formats.objects import given
from countguard.data.look import names_in, pictures_in, subfolders
from countguard.data.mat_points import read_frames
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder, require_inside

_CLIP = re.compile(r"(vidf1_33_(\d{3}))\.y")
_TRUTH = re.compile(r"(vidf1_33_\d{3})_frame_full\.mat")
_TRAINING = range(3, 7)
"""Frames 601 to 1400 of the 2,000 are the training images."""
_BENCHMARK = 10
_DEPTH = 4


@SOURCES.register()
class Ucsd(FileSource):
    """Heads are in `vidf1_33_000_frame_full.mat`, as `frame{i}.loc` or `fgt.frame{i}.loc`.

    Clips and `.mat` files are looked for in the folders below. Clips 003 to 006 are the training images, the other six
    of the first ten the test images; later clips are no part of the benchmark.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["ucsd"] = "ucsd"

    @property
    def name(self) -> str:
        """`UCSD`."""
        return "UCSD"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        clips, truths = _found(root)
        both = sorted(set(clips) & set(truths))
        return Sighting(f"holds {both[0]}.y and its frames in {truths[both[0]].name}", {}) if both else None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        clips, truths = _found(root)
        parts: list[Part] = [part for part in ("train", "test") if _of(part, clips, truths)]
        if not parts:
            raise InputError(f"{root}: should hold clips such as vidf1_33_000.y with vidf1_33_000_frame_full.mat")
        return dict.fromkeys(parts, root)

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        root = self.parts()[part]
        clips, truths = _found(root)
        annotations = []
        for clip in _of(part, clips, truths):
            file = truths[clip]
            require_inside(file, root)
            frames = pictures_in(clips[clip])
            heads = read_frames(file)
            if len(heads) < len(frames):
                raise InputError(f"{file}: holds the heads of {len(heads)} frames; {clip}.y has {len(frames)} pictures")
            annotations += [
                Annotation(image, file, f"frame {number}", partial(given, points))
                for number, (image, points) in enumerate(zip(frames, heads, strict=False), start=1)
            ]
        left = sorted(set(clips) - set(truths))
        notes = [f"{len(left)} clips have no heads: {', '.join(left[:5])}"] if left and part == "train" else []
        return Labels(annotations, tuple(notes))


def _found(root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Folders of clips and files of heads, by the clip's name, up to some levels below a folder."""
    clips: dict[str, Path] = {}
    truths: dict[str, Path] = {}
    level = [root]
    for _ in range(_DEPTH):
        deeper: list[Path] = []
        for folder in level:
            truths |= {match[1]: folder / match[0] for name in names_in(folder) if (match := _TRUTH.fullmatch(name))}
            for inner in subfolders(folder):
                if match := _CLIP.fullmatch(inner.name):
                    clips[match[1]] = inner
                else:
                    deeper.append(inner)
        level = deeper
    return clips, truths


def _of(part: Part, clips: dict[str, Path], truths: dict[str, Path]) -> list[str]:
    numbers = {clip: int(clip.rpartition("_")[2]) for clip in sorted(set(clips) & set(truths))}
    return [
        clip for clip, number in numbers.items() if number < _BENCHMARK and (number in _TRAINING) == (part == "train")
    ]
