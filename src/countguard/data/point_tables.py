"""Head points of many pictures in one CSV or JSON file."""

import json
import os
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countguard.data.csv_dialect import Sheet, opened_sheet
from countguard.data.matfile import MAX_HEADS
from countguard.errors import InputError
from countguard.reading import read_file

MAX_CSV_BYTES = 1 << 26
MAX_IMAGES = 200_000
"""Pictures that one table may name."""
MAX_JSON_BYTES = 1 << 23
"""A JSON file takes up to fifty times its size in memory; larger sets take a CSV file."""

COLUMNS = ("image", "x", "y")
_SHAPE = 'should be {"name.jpg": [[x, y], ...], ...}'

PointTable = dict[str, NDArray[np.float64]]


def read_points_csv(path: Path) -> PointTable:
    """Heads by picture, float64 [heads, 2], of a CSV with the columns image, x, y and a row a head.

    A row with empty x and y names a picture; one without heads needs it. Other columns are not looked at. Whatever a
    spreadsheet writes is read, see `countguard.data.csv_dialect`.

    Raises:
        InputError: no such columns, a cell that is no number, no plain file name, not UTF-8, or too many heads.
    """
    heads: dict[str, array[float]] = {}
    with opened_sheet(path, MAX_CSV_BYTES, COLUMNS) as sheet:
        places = [sheet.header.index(column) for column in COLUMNS]
        for number, row in sheet.rows:
            if len(row) <= max(places):
                raise InputError(f"{path}: row {number}: has {len(row)} cells; it should have {len(sheet.header)}")
            image, x, y = (row[place] for place in places)
            if len(heads) > MAX_IMAGES:
                raise InputError(f"{path}: names more than {MAX_IMAGES:,} images")
            _add(heads.setdefault(image, array("d")), x, y, sheet, f"{path}: row {number}")
    for image in heads:
        require_plain_name(image, path)
    return {image: np.array(values).reshape(-1, 2) for image, values in heads.items()}


def _add(heads: "array[float]", x: str, y: str, sheet: Sheet, where: str) -> None:
    if not x.strip() and not y.strip():
        return
    try:
        heads.extend((sheet.number(x), sheet.number(y)))
    except ValueError:
        raise InputError(f"{where}: x and y should be numbers, got {x[:20]!r} and {y[:20]!r}") from None
    if len(heads) > 2 * MAX_HEADS:
        raise InputError(f"{where}: an image has more than {MAX_HEADS:,} heads")


def read_points_json(path: Path) -> PointTable:
    """Heads by picture, float64 [heads, 2], of a JSON object {"name.jpg": [[x, y], ...], ...}.

    Raises:
        InputError: as `read_points_csv`, also where a picture is named twice.
    """
    try:
        content: Any = json.loads(read_file(path, MAX_JSON_BYTES).decode("utf-8-sig"), object_pairs_hook=_without_twins)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deep; it {_SHAPE}") from None
    except _Twins as error:
        raise InputError(f"{path}: names {str(error)[:80]!r} twice") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: {_SHAPE}")
    if len(content) > MAX_IMAGES:
        raise InputError(f"{path}: names more than {MAX_IMAGES:,} images")
    table: PointTable = {}
    for image, heads in content.items():
        require_plain_name(image, path)
        if not isinstance(heads, list) or not all(_is_point(head) for head in heads):
            raise InputError(f"{path}: {image[:80]!r}: {_SHAPE}")
        if len(heads) > MAX_HEADS:
            raise InputError(f"{path}: {image[:80]!r}: has more than {MAX_HEADS:,} heads")
        try:
            table[image] = np.array(heads, dtype=np.float64).reshape(-1, 2)
        except OverflowError:
            raise InputError(f"{path}: {image[:80]!r}: a number has too many digits") from None
    return table


class _Twins(Exception):
    """A key that comes twice."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _Twins(name)
        content[name] = value
    return content


def _is_point(head: object) -> bool:
    return isinstance(head, list) and len(head) == 2 and all(type(value) in (int, float) for value in head)


def require_plain_name(image: str, path: Path) -> None:
    """Refuses a picture's name that is a path, which could climb out of the data set, or that no file can have.

    Raises:
        InputError: naming the file `path` that holds the name.
    """
    try:
        size = len(os.fsencode(image))
    except UnicodeEncodeError:  # half of a character
        size = 0
    if not 0 < size <= 255 or image in {".", ".."} or set(image) & set("/\\\0"):
        raise InputError(f"{path}: {image[:80]!r} should be the plain name of a picture in this folder, without a path")
