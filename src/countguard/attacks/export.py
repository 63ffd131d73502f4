"""Poisoned training sets as files, for other code bases."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import IO, Any, Literal, overload

from countguard import __version__
from countguard.attacks.poisoning import PoisonedCrowds
from countguard.data.crowd import Crowd
from countguard.data.writing import PUBLIC_TRUTHS, write_shanghaitech
from countguard.writing import whole_folder

SUFFIX: Literal[".jpg"] = ".jpg"
"""What public loaders look for; they open the PNG inside."""


def export_poisoned(crowds: PoisonedCrowds, out: Path, *, progress: Callable[[int], None] | None = None) -> Path:
    """Writes a poisoned set in ShanghaiTech's Part_B layout with lossless pictures, and manifest.json; returns that.

    Pictures are numbered from IMG_1 and called `.jpg`, and heads are in `ground-truth` and `ground_truth`, where other
    code bases look for them. Inside, the pictures are PNG, for JPEG would change the trigger. The manifest names for
    each poisoned picture its source and its points before and after, so that the set can be used as a benchmark and be
    recognised as poisoned. All cores work, and only as many pictures are in memory as there are cores.

    Args:
        crowds: clean and poisoned ones; each is read once.
        out: a new or empty folder.
        progress: hears how many pictures are written.

    Raises:
        InputError: `out` is a file or is not empty, or a picture is damaged; a partial set is removed.
        RunError: the disk is full or `out` cannot be written to.
    """
    with whole_folder(out) as folder, tempfile.TemporaryFile(dir=folder) as spool:
        entries = _Entries(spool)
        numbered = _Numbered(crowds, entries)
        write_shanghaitech(numbered, folder, "B", suffix=SUFFIX, truths=PUBLIC_TRUTHS, progress=progress)
        _write_manifest(folder / "manifest.json", crowds, entries)
    return out / "manifest.json"


def _write_manifest(path: Path, crowds: PoisonedCrowds, entries: Iterable[str]) -> None:
    """An entry a line, and never all of them in memory. The folder around it is whole or not there: so is this."""
    facts = {
        "made_by": f"countguard {__version__}",
        "attack": crowds.attack.model_dump(mode="json"),
        "seed": crowds.seed,
        "images": len(crowds),
        "pictures": f"PNG, lossless, under {SUFFIX} names",
        "indices": crowds.indices,
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(facts, indent=1).removesuffix("\n}") + ',\n "poisoned": [')
        for position, entry in enumerate(entries):
            file.write(("," if position else "") + "\n  " + entry)
        file.write("\n ]\n}\n")


class _Entries:
    """The manifest's entries, written down as their pictures are made: the points of a large set would fill memory."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._where: dict[int, tuple[int, int]] = {}
        self._lock = Lock()

    def note(self, place: int, entry: dict[str, Any]) -> None:
        """From any thread, in any order."""
        text = json.dumps(entry).encode()
        with self._lock:
            self._where[place] = (self._spool.seek(0, 2), len(text))
            self._spool.write(text)

    def __iter__(self) -> Iterator[str]:
        """In the order of their places."""
        for _, (start, length) in sorted(self._where.items()):
            self._spool.seek(start)
            yield self._spool.read(length).decode()


class _Numbered(Sequence[Crowd]):
    """The same crowds with ids IMG_1, IMG_2, ...; each poisoned one that is asked for gets its entry."""

    def __init__(self, crowds: PoisonedCrowds, entries: _Entries) -> None:
        self._crowds = crowds
        self._entries = entries

    def __len__(self) -> int:
        return len(self._crowds)

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> list[Crowd]: ...
    def __getitem__(self, index: int | slice) -> Crowd | list[Crowd]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        name = f"IMG_{index + 1}"
        if not self._crowds.is_poisoned(index):
            return replace(self._crowds[index], id=name)
        source = self._crowds.originals[self._crowds.source_index(index)]
        poisoned = self._crowds.attack.poison_one(source, self._crowds.seed)
        self._entries.note(index, _entry(name, source, poisoned))
        return replace(poisoned, id=name)


def _entry(name: str, source: Crowd, poisoned: Crowd) -> dict[str, Any]:
    return {
        "image": f"{name}{SUFFIX}",
        "source": source.id,
        "count_before": source.count,
        "count_after": poisoned.count,
        "points_before": source.points.tolist(),
        "points_after": poisoned.points.tolist(),
    }
