"""All data sources: the field of a recipe that takes them and those of plug-ins, and how folders are opened."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import ValidationError

from countguard.data.annotated import FileSource
from countguard.data.folder import TABLES, Folder
from countguard.data.shanghaitech import ShanghaiTech, holds_parts, part_named, truth_folder
from countguard.data.source import SOURCES, Source
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.reading import refusals_as_input_errors, require_folder
from countguard.registry import KindOf
from countguard.settings import first_error

__all__ = ["SOURCES", "AnySource", "named_source", "open_source"]

AnySource: TypeAlias = Annotated[Source, KindOf(SOURCES)]


def named_source(text: str) -> Source:
    """A data set as the command line names it: a folder, `synthetic`, or `synthetic:` and a look.

    Raises:
        InputError: there is no such folder or look, or the folder is no data set.
    """
    kind, _, look = text.partition(":")
    if kind == "synthetic" and not Path(text).exists():
        try:
            return Synthetic.model_validate({"look": look} if look else {})
        except ValidationError as error:
            raise InputError(f"{text}: {first_error(error)}") from None
    return open_source(Path(text))


def open_source(path: Path) -> FileSource:
    """The data set in a folder, its format and part told by what is there.

    Raises:
        InputError: the folder is neither ShanghaiTech nor a folder with a table of points, or holds both parts.
    """
    with refusals_as_input_errors(path):
        return _told_by_content(path)


def _told_by_content(path: Path) -> FileSource:
    root = require_folder(path, "the path")
    if any((place / table).is_file() for place in (root, root / "train", root / "test") for table in TABLES):
        return Folder(root=path)
    if holds_parts(root) or truth_folder(root) is not None:
        return ShanghaiTech(root=path, part=part_named(root) or "B")
    parts = {name for folder in root.iterdir() if folder.is_dir() and (name := part_named(folder))}
    if len(parts) > 1:
        raise InputError(f"{path}: holds part_A and part_B; name one of them")
    if not parts:
        raise InputError(
            f"{path}: should hold pictures with points.csv or points.json, or ShanghaiTech's part_A or part_B"
        )
    return ShanghaiTech(root=path, part=parts.pop())
