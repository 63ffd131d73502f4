"""The plain format: a folder of pictures and one table of head points."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from countguard.csv_text import armed
from countguard.data.annotated import Annotation, FileSource, Labels, Sighting, pictures
from countguard.data.look import part_folders
from countguard.data.point_tables import PointTable, read_points_csv, read_points_json
from countguard.data.source import SOURCES, Part
from countguard.errors import InputError
from countguard.reading import require_folder, require_inside

TABLES = {"points.csv": read_points_csv, "points.json": read_points_json}


@SOURCES.register()
class Folder(FileSource):
    """Pictures with `points.csv` (columns image,x,y) or `points.json` ({"name.jpg": [[x, y], ...]}) beside them.

    The pictures are in the folder or in its `images`. Each needs to be in the table: one without heads has a row
    with empty x and y, or an empty list, so that a forgotten label is not taken for an empty street. Subfolders
    `train`, `val` and `test`, each such a folder, are the official split; without them the images are one part.
    """

    kind: Literal["folder"] = "folder"

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        for place in (root, *part_folders(root).values()):
            for table in TABLES:
                if (place / table).is_file():
                    return Sighting(f"holds {(place / table).relative_to(root)}", {})
        return None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        root = require_folder(self.root, "data.root")
        found = part_folders(root)
        if not found or not any(_has_table(place) for place in (root, *found.values())):
            return found or {"train": root}
        if not _has_table(root):
            return found
        if any(_has_table(place) for place in found.values()):
            raise InputError(
                f"{root}: has a table of points of its own beside those of its parts; one of them should go"
            )
        return {"train": root}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        folder = self.parts()[part]
        require_inside(folder, self.root.resolve())
        path, points = _table(folder, self.root.resolve())
        images = folder / "images" if (folder / "images").is_dir() else folder
        listed = pictures(images)
        names = {image.name for image in listed}
        # our own tables disarm names; an honest name that looks disarmed is one of the pictures
        points = {name if name in names else armed(name): heads for name, heads in points.items()}
        listed += [
            images / name for name in points if name not in names
        ]  # reading these will say that they are missing
        return Labels(
            [Annotation(image, path, image.name, partial(_heads, points, image.name, path)) for image in listed]
        )


def _has_table(folder: Path) -> bool:
    return any((folder / table).is_file() for table in TABLES)


def _heads(points: PointTable, image: str, path: Path) -> NDArray[np.float64]:
    if image not in points:
        raise InputError(f"{path}: {image} is not in it; a row `{image},,` (or an empty list) says that it has no head")
    return points[image]


def _table(folder: Path, root: Path) -> tuple[Path, PointTable]:
    found = [folder / name for name in TABLES if (folder / name).exists() or (folder / name).is_symlink()]
    if len(found) != 1:
        problem = "has both; one of them should go" if found else "is missing"
        raise InputError(f"{folder}: {' or '.join(TABLES)} {problem}")
    require_inside(found[0], root)
    return found[0], TABLES[found[0].name](found[0])
