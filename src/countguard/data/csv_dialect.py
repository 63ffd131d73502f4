"""Tables as spreadsheets write them: semicolons and tabs, decimal commas, a `sep=` line, rows that are empty."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from countguard.errors import InputError
from countguard.reading import open_file

SEPARATORS = (",", ";", "\t", "|")
_HEADER_SIGNS = 1 << 16


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open table.

    Attributes:
        header: the cells of the first row, stripped, in lower case.
        rows: the others that are not empty throughout, each with its number in the file.
        decimal_comma: a comma in a number stands for a point; cells are not parted by it.
    """

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    decimal_comma: bool

    def number(self, cell: str) -> float:
        """A cell as a number; raises ValueError."""
        cell = cell.strip()
        if self.decimal_comma and cell.count(",") == 1 and "." not in cell:
            cell = cell.replace(",", ".")
        return float(cell)


@contextmanager
def opened_sheet(path: Path, max_bytes: int, columns: Sequence[str]) -> Iterator[Sheet]:
    """A CSV file of any spreadsheet, in UTF-8, or in UTF-16 with a byte order mark.

    Args:
        path: of the file.
        max_bytes: more are refused.
        columns: that the first row should name, in lower case; what parts them there parts the cells of all rows.

    Raises:
        InputError: the file cannot be read, is no such text, or its first row does not name the columns once each.
    """
    binary = open_file(path, max_bytes)
    start = binary.read(2)
    binary.seek(0)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with io.TextIOWrapper(binary, encoding=encoding, newline="") as file:
        reader, skipped = csv.reader(()), 0
        try:
            first, skipped = _next_row(file, skipped)
            separators: tuple[str, ...] = SEPARATORS
            if first.lower().startswith("sep=") and len(first.strip()) <= len("sep=") + 1:
                separators = (first.rstrip("\r\n")[len("sep=") :][:1] or ",",)
                first, skipped = _next_row(file, skipped)
            separator, header = _parted(first, separators, columns, path)
            reader = csv.reader(file, delimiter=separator)
            rows = ((reader.line_num + skipped, row) for row in reader if any(cell.strip() for cell in row))
            yield Sheet(header, rows, separator != ",")
        except UnicodeError:
            raise InputError(f"{path}: is not UTF-8 text; save it as CSV UTF-8") from None
        except csv.Error as error:
            raise InputError(f"{path}: row {reader.line_num + skipped}: {error}") from None


def _next_row(file: io.TextIOWrapper, number: int) -> tuple[str, int]:
    """The next row that is not empty throughout, and its number in the file; an empty one at the end."""
    while line := file.readline(_HEADER_SIGNS):
        number += 1
        if line.strip(' \t\r\n"' + "".join(SEPARATORS)):
            return line, number
    return "", number + 1


def _parted(line: str, separators: Sequence[str], columns: Sequence[str], path: Path) -> tuple[str, list[str]]:
    for separator in separators:
        if separator in '"\r\n':
            continue
        header = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=separator), [])]
        if all(header.count(column) == 1 for column in columns):
            return separator, header
    raise InputError(
        f"{path}: the first row should name the columns {','.join(columns)}, parted by commas, semicolons or tabs; "
        f"it is {line.strip()[:60]!r}"
    )
