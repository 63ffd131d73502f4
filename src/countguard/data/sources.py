"""All data sources: the field of a recipe that takes them and those of plug-ins, and how folders are opened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import JsonValue, ValidationError

from countguard.data.annotated import FileSource
from countguard.data.folder import Folder
from countguard.data.formats.box_csv import BoxCsv
from countguard.data.formats.coco import Coco
from countguard.data.formats.crowdhuman import CrowdHuman
from countguard.data.formats.cvat import Cvat
from countguard.data.formats.dots import Dots
from countguard.data.formats.fdst import Fdst
from countguard.data.formats.jhu import Jhu
from countguard.data.formats.label_studio import LabelStudio
from countguard.data.formats.labelme import Labelme
from countguard.data.formats.mall import Mall
from countguard.data.formats.npy import Npy
from countguard.data.formats.nwpu import Nwpu
from countguard.data.formats.qnrf import Qnrf
from countguard.data.formats.ucf_cc_50 import UcfCc50
from countguard.data.formats.ucsd import Ucsd
from countguard.data.formats.via import Via
from countguard.data.formats.visdrone import VisDrone
from countguard.data.formats.visdrone_cc import VisDroneCC
from countguard.data.formats.voc import Voc
from countguard.data.formats.yolo import Yolo
from countguard.data.look import pictures_in, some, subfolders
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.source import SOURCES, Source
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.reading import refusals_as_input_errors, require_folder
from countguard.registry import KindOf
from countguard.settings import first_error

__all__ = ["FORMATS", "SOURCES", "AnySource", "Found", "find_source", "named_source", "open_source"]

AnySource: TypeAlias = Annotated[Source, KindOf(SOURCES)]

FORMATS: tuple[type[FileSource], ...] = (
    Folder,
    ShanghaiTech,
    Qnrf,
    UcfCc50,
    Jhu,
    Nwpu,
    Mall,
    Ucsd,
    Fdst,
    VisDrone,
    VisDroneCC,
    CrowdHuman,
    Npy,
    Dots,
    Coco,
    Labelme,
    LabelStudio,
    Via,
    Cvat,
    Yolo,
    Voc,
    BoxCsv,
)
"""The formats of this package, in the order in which the docs list them."""
_DEPTH = 3
"""Folders with nothing but one folder in them that are gone through: what archives unpack into."""


@dataclass(frozen=True, slots=True)
class Found:
    """A data set and how its format is known.

    Attributes:
        source: reads it.
        because: what was seen in the folder, or that the user named the format.
    """

    source: FileSource
    because: str


def named_source(text: str, *, kind: str | None = None, settings: Mapping[str, JsonValue] | None = None) -> Source:
    """A data set as the command line names it: a folder, `synthetic`, or `synthetic:` and a look.

    Args:
        text: of the user.
        kind: the format of the folder, by its name in `SOURCES`; None to tell it by what is there.
        settings: further settings of the source.

    Raises:
        InputError: there is no such folder or look, or the folder is no data set.
    """
    name, _, look = text.partition(":")
    if name == "synthetic" and not Path(text).exists() and kind is None:
        try:
            return Synthetic.model_validate({**({"look": look} if look else {}), **(settings or {})})
        except ValidationError as error:
            raise InputError(f"{text}: {first_error(error)}") from None
    return open_source(Path(text), kind=kind, settings=settings)


def open_source(path: Path, *, kind: str | None = None, settings: Mapping[str, JsonValue] | None = None) -> FileSource:
    """The data set in a folder; see `find_source`."""
    return find_source(path, kind=kind, settings=settings).source


def find_source(path: Path, *, kind: str | None = None, settings: Mapping[str, JsonValue] | None = None) -> Found:
    """The data set in a folder, its format told by what is there, and how that is known.

    Every format is asked. A folder in which two see themselves is refused: no format is guessed.

    Args:
        path: of the folder. Folders that hold one folder and nothing else are gone through.
        kind: the format, by its name in `SOURCES`; None to tell it.
        settings: of the source.

    Raises:
        InputError: no format or more than one sees itself there, or the settings do not fit.
    """
    with refusals_as_input_errors(path):
        root = require_folder(path, "the path")
        if kind is not None:
            return _of_kind(path, root, kind, settings or {})
        for place, given in _places(path, root):
            seen = {form: sighting for form in _asked() if (sighting := form.sniff(place)) is not None}
            if len(seen) > 1:
                sights = [f"{_kind(form)} ({sighting.because})" for form, sighting in seen.items()]
                raise InputError(f"{path}: looks like {' and like '.join(sights)}; --format names one of them")
            for form, sighting in seen.items():
                return Found(_built(form, given, {**sighting.settings, **(settings or {})}), sighting.because)
    kinds = ", ".join(_kind(form) for form in _asked())
    held = some([*(f"{folder.name}/" for folder in subfolders(root)), *(file.name for file in pictures_in(root))])
    raise InputError(
        f"{path}: no known data set is seen in it; it holds {held or 'nothing'}. A folder of pictures needs points.csv "
        f"or points.json; --format names one of {kinds}"
    )


def _of_kind(path: Path, root: Path, kind: str, settings: Mapping[str, JsonValue]) -> Found:
    form = SOURCES.find(kind.strip().casefold().replace("-", "_"))
    if not issubclass(form, FileSource):
        raise InputError(f"--format {kind}: is no format of a folder")
    for place, given in _places(path, root):
        if (sighting := form.sniff(place)) is not None:
            return Found(_built(form, given, {**sighting.settings, **settings}), "the user named it")
    return Found(_built(form, path, settings), "the user named it")


def _asked() -> Iterator[type[FileSource]]:
    """Every registered format of files, those of plug-ins among them."""
    return (form for form in SOURCES.values() if issubclass(form, FileSource))


def _places(path: Path, root: Path) -> Iterator[tuple[Path, Path]]:
    """The folder, then the only one in it, and so on: resolved, and as the user would write it."""
    for _ in range(_DEPTH):
        yield root, path
        inner = subfolders(root)
        if len(inner) != 1 or pictures_in(root) or inner[0].is_symlink():
            return
        path, root = path / inner[0].name, inner[0]


def _built(form: type[FileSource], root: Path, settings: Mapping[str, object]) -> FileSource:
    try:
        return form.model_validate({"root": root, **settings})
    except ValidationError as error:
        raise InputError(f"{root}: data.{first_error(error)}") from None


def _kind(form: type[FileSource]) -> str:
    return str(form.model_fields["kind"].default)
