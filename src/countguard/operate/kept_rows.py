"""Rows of an interrupted command, read back from its journal."""

import hashlib
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from countguard.data.crowd import Crowd
from countguard.data.source import stamp_of_crowd
from countguard.errors import InputError
from countguard.journal import Journal

Row = TypeVar("Row")


class KeptRows(Generic[Row]):
    """What a journal has of some files; a row counts as long as its file has not changed.

    Args:
        journal: of the command.
        kind: of the rows.
    """

    def __init__(self, journal: Journal, kind: TypeAdapter[Row]) -> None:
        self._journal = journal
        self._kind = kind

    def get(self, name: str, stamp: Sequence[int]) -> Row | None:
        """A row that was kept; None where there is none, or where its file was another one then.

        Args:
            name: under which it was kept.
            stamp: of its file now, from `stamp_of`.

        Raises:
            InputError: the journal holds something else.
        """
        match self._journal.get(name):
            case None:
                return None
            case [[*before], _] if before != [*stamp]:
                return None
            case [[*_], row]:
                try:
                    return self._kind.validate_python(row)
                except ValidationError:
                    pass
        raise InputError(f"{self._journal.path}: is damaged; delete it, and the same command starts anew")

    def add(self, name: str, stamp: Sequence[int], row: Row) -> None:
        """Keeps a row, unless it is kept already; raises as `get` and `Journal.add`."""
        if self.get(name, stamp) is None:
            self._journal.add(name, [[*stamp], self._kind.dump_python(row, mode="json")])


def stamp_of_crowds(crowds: Sequence[Crowd]) -> list[int]:
    """By which crowds are known to be the same still, as `stamp_of` does for a file; those of no files always are."""
    told = hashlib.sha256(str(len(crowds)).encode())
    for position in range(len(crowds)):
        told.update(stamp_of_crowd(crowds, position))
    return list(told.digest()[:8])
