"""Plain text of label files: lists of names, rows of numbers. A file may be empty: a picture without a head."""

from collections.abc import Iterator
from pathlib import Path

from countguard.data.matfile import MAX_HEADS
from countguard.errors import InputError
from countguard.reading import read_file, require_inside

MAX_TEXT_BYTES = 1 << 27
MAX_LINES = 4 * MAX_HEADS


def text_lines(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, stripped, each with its number.

    Raises:
        InputError: the file is missing, is no UTF-8 text, a link that leaves the data set, or too large.
    """
    require_inside(path, root.resolve())
    if path.is_file() and path.stat().st_size == 0:
        return
    try:
        text = read_file(path, MAX_TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if number > MAX_LINES:
            raise InputError(f"{path}: has more than {MAX_LINES:,} lines")
        if stripped := line.strip():
            yield number, stripped


def number_rows(
    path: Path, root: Path, columns: str, separator: str | None = None
) -> Iterator[tuple[int, list[float]]]:
    """Rows of numbers, each with its line's number.

    Args:
        path: of the file.
        root: the data set's folder.
        columns: what a row holds at least, as `x y w h o b`; named in errors.
        separator: between the numbers; None for spaces.

    Raises:
        InputError: as `text_lines`; a row is too short, or a cell is no number.
    """
    least = len(columns.split())
    for number, line in text_lines(path, root):
        cells = [cell for cell in line.split(separator) if cell.strip()]
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            raise InputError(f"{path}: line {number}: {line[:60]!r} should be numbers, {columns}") from None
        if len(values) < least:
            raise InputError(f"{path}: line {number}: has {len(values)} numbers; it should have {columns}")
        yield number, values


def first_row(path: Path, root: Path) -> str:
    """The first line of a text file that is not empty; empty where there is none or the file is no text."""
    try:
        return next((line for _, line in text_lines(path, root)), "")
    except InputError:
        return ""
