"""What an audit took from each picture, kept in files while it runs: reading the pictures is most of its work."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from countguard.audit.features import Canvas
from countguard.audit.survey import TakeBlocks, Taken
from countguard.data.crowd import Crowd
from countguard.data.source import stamp_of_crowd
from countguard.errors import InputError, RunError
from countguard.operate.kept_work import Kept
from countguard.reading import read_file
from countguard.writing import write_atomically

LARGEST = 1 << 28
"""Bytes of a block's file that are read."""


def kept_blocks(take_blocks: TakeBlocks, kept: Kept) -> TakeBlocks:
    """Blocks of pictures that are taken once, and read from their files when the same command goes on.

    Args:
        take_blocks: where those are taken that are not kept yet.
        kept: the folder of the files, and the journal that says whose they are. A block is taken again where one of its
            pictures or labels has changed since, or its file is damaged.

    Raises:
        RunError: a file cannot be written.
    """

    def take(crowds: Sequence[Crowd], canvas: Canvas, blocks: Sequence[range]) -> Iterator[Sequence[Taken]]:
        names = [_name(crowds, canvas, block) for block in blocks]
        hashes = [kept.journal.get(name) for name in names]
        fresh = take_blocks(crowds, canvas, [block for block, known in zip(blocks, hashes, strict=True) if not known])
        for block, name, known in zip(blocks, names, hashes, strict=True):
            path = kept.folder / f"pictures-{block.start}.npz"
            taken: Sequence[Taken] | None = _read(path, known) if known else None
            if taken is None:
                taken = next(take_blocks(crowds, canvas, [block]) if known else fresh)
                kept.journal.add(name, _write(path, taken))
            yield taken

    return take


def _name(crowds: Sequence[Crowd], canvas: Canvas, block: range) -> str:
    """Tells blocks apart by what they are taken from; pictures that are no files follow from the command."""
    told = hashlib.sha256(repr(canvas).encode())
    for position in block:
        told.update(stamp_of_crowd(crowds, position))
    return f"{block.start}-{block.stop} {told.hexdigest()[:16]}"


def _write(path: Path, taken: Sequence[Taken]) -> str:
    """Writes a block; gives the hash by which `_read` knows it."""
    file = io.BytesIO()
    np.savez(
        file,
        ids=np.array([one.id for one in taken]),
        sizes=np.array([one.size for one in taken]),
        heads=np.array([len(one.points) for one in taken]),
        points=np.concatenate([one.points for one in taken]),
        codes=np.stack([one.features[0] for one in taken]),
        steps=np.stack([one.features[1] for one in taken]),
        small=np.stack([one.small for one in taken]),
        texture=np.stack([one.texture for one in taken]),
        windows=np.stack([one.windows for one in taken]),
        statistics=np.stack([one.statistics for one in taken]),
    )
    content = file.getvalue()
    try:
        write_atomically(path, content)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); give another --out") from error
    return hashlib.sha256(content).hexdigest()


def _read(path: Path, known: object) -> list[Taken] | None:
    """A block; None where its file is not the one that was written."""
    try:
        content = read_file(path, LARGEST)
        if hashlib.sha256(content).hexdigest() != known:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            part = dict(file)
        points = np.split(part["points"], np.cumsum(part["heads"])[:-1])
        return [
            Taken(
                id=str(part["ids"][row]),
                size=(int(part["sizes"][row, 0]), int(part["sizes"][row, 1])),
                points=points[row],
                features=(part["codes"][row], part["steps"][row]),
                small=part["small"][row],
                texture=part["texture"][row],
                windows=part["windows"][row],
                statistics=part["statistics"][row],
            )
            for row in range(len(points))
        ]
    except (InputError, OSError, ValueError, KeyError, IndexError, BadZipFile):
        return None
