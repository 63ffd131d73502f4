"""Pictures with a second picture of dots: VGG's cells, ADI, MBM, DCC, and what is drawn by hand."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from countguard.data.annotated import Annotation, FileSource, Frame, Labels, Sighting
from countguard.data.images import read_image
from countguard.data.look import part_folders, pictures_in, subfolder
from countguard.data.matfile import MAX_HEADS
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder

_LOSSLESS = {".png", ".bmp", ".tif", ".tiff"}
_FOLDERS = ("dots", "dotmaps", "dot_maps", "labels", "ground_truth", "ground-truth", "gt", "annotations", "masks")
_BACKGROUND = 0.5
"""Less of one colour than this is no picture of dots."""
_LARGEST = 400
"""Pixels of one dot; more is a mask of a whole object."""


@SOURCES.register()
class Dots(FileSource):
    """`001cell.png` with `001dots.png`, `a.png` with `a_dots.png`, or `images/a.png` with `dots/a.png`.

    What is not of the background's colour is a dot. Where most dots are single pixels, as in VGG's sets, every pixel is
    one, also beside another; otherwise each connected blot is one, at its middle.
    """

    frame: ClassVar[Frame] = "stored"

    kind: Literal["dots"] = "dots"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for image, dots in list(_pairs(place))[:1]:
                try:
                    read_dots(dots)
                except InputError:
                    continue
                return Sighting(f"{dots.relative_to(root)} holds dots for {image.name}", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        return part_folders(root) or {"train": root}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        pairs = list(_pairs(folder))
        if not pairs:
            raise InputError(f"{folder}: holds no picture with a picture of dots")
        return Labels([Annotation(image, dots, "dots", partial(read_dots, dots)) for image, dots in pairs])


def read_dots(path: Path) -> NDArray[np.float64]:
    """The dots of a picture: float64 [heads, 2], the middles of pixels or of blots.

    Raises:
        InputError: it cannot be read, or is no picture of dots.
    """
    packed = read_image(path, upright=False).numpy().astype(np.int32)
    colours = packed[0] << 16 | packed[1] << 8 | packed[2]
    values, counts = np.unique(colours, return_counts=True)
    if counts.max() < _BACKGROUND * colours.size:
        raise InputError(f"{path}: is no picture of dots; less than half of it has one colour")
    marked = colours != values[counts.argmax()]
    labelled, number = ndimage.label(marked, structure=np.ones((3, 3)))
    if not number:
        return np.zeros((0, 2))
    sizes = np.bincount(labelled.ravel())[1:]
    if np.median(sizes) > _LARGEST:
        raise InputError(f"{path}: is no picture of dots; its blots have {int(np.median(sizes)):,} pixels")
    if np.median(sizes) == 1:
        middles = np.argwhere(marked).astype(np.float64)
    else:
        middles = np.array(ndimage.center_of_mass(marked, labelled, np.arange(1, number + 1))).reshape(-1, 2)
    if len(middles) > MAX_HEADS:
        raise InputError(f"{path}: has more than {MAX_HEADS:,} dots")
    return np.ascontiguousarray(middles[:, ::-1]) + 0.5


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Pictures with their dots, in order."""
    images = subfolder(folder, "images", "imgs", "image")
    dots = subfolder(folder, *_FOLDERS) if images is not None and _one_of(folder) else None
    if images is not None and dots is not None:
        by_stem = {path.stem: path for path in pictures_in(dots) if path.suffix.lower() in _LOSSLESS}
        for image in pictures_in(images):
            if by_stem:
                yield image, by_stem.get(image.stem, dots / f"{image.stem}.png")
        return
    found = {path.stem: path for path in pictures_in(folder)}
    for stem, path in found.items():
        if stem.endswith("dots") and path.suffix.lower() in _LOSSLESS:
            base = stem.removesuffix("dots")
            names = (f"{base}cell", f"{base.rstrip('_- ')}_cell", base.rstrip("_- "), f"{base.rstrip('_- ')}_image")
            named = next((found[name] for name in names if name in found), None)
            yield named or path.with_name(f"{base}cell{path.suffix}"), path


def _one_of(folder: Path) -> bool:
    return sum(subfolder(folder, name) is not None for name in _FOLDERS) == 1
