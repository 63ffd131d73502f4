"""Fudan-ShanghaiTech (Fang et al., ICME 2019): `train_data/1/001.jpg` with `train_data/1/001.json`, boxes of heads."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from countguard.data.annotated import Annotation, FileSource, Labels, Sighting
from countguard.data.formats.objects import as_points
from countguard.data.formats.via import via_entries, via_shapes
from countguard.data.look import files_with, head_of, part_folders, pictures_in, subfolders
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder


@SOURCES.register()
class Fdst(FileSource):
    """A folder a clip; beside each frame a JSON file of the VGG image annotator. A head is the centre of its box.

    One of `train_data` and `test_data` alone is read, too.
    """

    kind: Literal["fdst"] = "fdst"

    @property
    def name(self) -> str:
        """`FDST`."""
        return "FDST"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for clip in subfolders(place)[:3]:
                for image in pictures_in(clip)[:1]:
                    if b'"shape_attributes"' in head_of(image.with_suffix(".json"), root):
                        return Sighting(f"{image.with_suffix('.json').relative_to(root)} holds regions", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = part_folders(root)
        if not found and subfolders(root):
            return {"train": root}
        if not found:
            raise InputError(f"{root}: should hold train_data or test_data, each with a folder a clip")
        return found

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        annotations = []
        for clip in subfolders(folder):
            images = pictures_in(clip)
            stems = {image.stem for image in images}
            images += [file.with_suffix(".jpg") for file in files_with(clip, {".json"}) if file.stem not in stems]
            for image in images:
                file = image.with_suffix(".json")
                read = partial(_heads, file, self.root)
                annotations.append(Annotation(image, file, "regions", read, f"{clip.name}-{image.stem}"))
        return Labels(annotations)


def _heads(file: Path, root: Path) -> NDArray[np.float64]:
    shapes = [shape for entry in via_entries(file, root) for shape in via_shapes(entry, file, None)]
    return as_points(shape.point("centre") for shape in shapes)
