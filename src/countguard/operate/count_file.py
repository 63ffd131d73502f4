"""The file of `countguard count --out`: whole at the end; until then, what was counted is kept beside it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from countguard.errors import InputError
from countguard.journal import Journal, journal_beside
from countguard.operate.count import PictureCount
from countguard.operate.count_formats import counts_csv, counts_json, csv_head, json_line
from countguard.operate.kept_rows import KeptRows
from countguard.reading import open_file, stamp_of
from countguard.scan.guard import Look
from countguard.writing import require_place, write_atomically

SUFFIXES = (".csv", ".jsonl", ".json")
_BEGINNINGS = {
    ".csv": tuple(csv_head(guarded=guarded).rstrip("\n") for guarded in (False, True)),
    ".jsonl": ('{"file": ',),
    ".json": ('{\n  "images": [',),
}
"""How our own files begin: only such a file is replaced."""
_KEPT: TypeAdapter[tuple[float, Look | None]] = TypeAdapter(tuple[float, Look | None])
"""What is kept of a picture: its count, and what the guard says."""


class CountFile:
    """Counts on their way to a file; one that the journal has is not counted again if its picture has not changed.

    Args:
        path: of the file.
        journal: of this command.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal
        self._rows = KeptRows(journal, _KEPT)

    def known(self, picture: Path) -> PictureCount | None:
        """The row of a picture that was counted before; None where it was not, or where it is another one now.

        Raises:
            InputError: the journal holds something else.
        """
        kept = self._rows.get(str(picture), stamp_of(picture))
        return None if kept is None else PictureCount(picture, kept[0], look=kept[1])

    def add(self, row: PictureCount) -> None:
        """Keeps a row; a bad picture is read again the next time, for somebody may have mended it."""
        if row.count is not None:
            self._rows.add(str(row.file), stamp_of(row.file), (row.count, row.look))

    def write(self, rows: Sequence[PictureCount]) -> None:
        """Writes the whole file, and lets go of what was kept."""
        content = {
            ".csv": lambda: counts_csv(rows),
            ".jsonl": lambda: "".join(map(json_line, rows)),
            ".json": lambda: counts_json(rows) + "\n",
        }[self.path.suffix]()
        write_atomically(self.path, content)
        self.journal.finish()


@contextmanager
def count_file(path: Path, command: Mapping[str, JsonValue], pictures: Sequence[Path]) -> Iterator[CountFile]:
    """The file for a count of these pictures.

    Args:
        path: ends in one of `SUFFIXES`.
        command: all that a count depends on beside its picture.
        pictures: none of which may be overwritten.

    Raises:
        InputError: the ending is another one, something that is no count is there, or the beginning of another count.
        RunError: see `journal_beside`.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: --out should end in {', '.join(SUFFIXES)}")
    require_place(path, "--out", inputs=pictures)
    if path.exists() and path.stat().st_size:
        with open_file(path, 1 << 40) as file:
            start = file.read(64).decode(errors="replace")
        if not start.startswith(_BEGINNINGS[path.suffix]):
            raise InputError(f"{path}: is there and is no result of count; --out should name another file")
    with journal_beside(path, command) as journal:
        yield CountFile(path, journal)
