"""Poisoned training sets as files, for code bases that are not ours."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

from countguard import __version__
from countguard.attacks.poisoning import PoisonedCrowds
from countguard.data.crowd import Crowd
from countguard.data.writing import whole_folder, write_shanghaitech
from countguard.files import write_atomically


def export_poisoned(crowds: PoisonedCrowds, out: Path, *, progress: Callable[[int], None] | None = None) -> Path:
    """Writes a poisoned set in ShanghaiTech's Part_B layout with lossless pictures, and manifest.json; returns that.

    Pictures are numbered from IMG_1, as other code bases expect them. The manifest names for each poisoned picture its
    source and its points before and after; a poisoned set without one would be a weapon and no benchmark.

    Args:
        crowds: clean and poisoned ones; read once each, a few at a time.
        out: a new or empty folder.
        progress: hears how many pictures are written.

    Raises:
        InputError: `out` is a file or holds something, or a picture is damaged; nothing is left of a set begun.
        RunError: the disk is full or `out` cannot be written to.
    """
    with whole_folder(out) as folder:
        names = write_shanghaitech(_Numbered(crowds), folder, "B", progress=progress)
        write_atomically(folder / "manifest.json", json.dumps(_manifest(crowds, names), indent=1) + "\n")
    return out / "manifest.json"


def _manifest(crowds: PoisonedCrowds, names: Sequence[str]) -> dict[str, Any]:
    sources = crowds.originals
    poisoned = [place for place in range(len(crowds)) if crowds.is_poisoned(place)]
    return {
        "made_by": f"countguard {__version__}",
        "attack": crowds.attack.model_dump(mode="json"),
        "seed": crowds.seed,
        "images": len(crowds),
        "indices": crowds.indices,
        "poisoned": [_entry(names[place], sources[crowds.source_index(place)], crowds[place]) for place in poisoned],
    }


def _entry(name: str, source: Crowd, poisoned: Crowd) -> dict[str, Any]:
    return {
        "image": f"{name}.png",
        "source": source.id,
        "count_before": source.count,
        "count_after": poisoned.count,
        "points_before": source.points.tolist(),
        "points_after": poisoned.points.tolist(),
    }


class _Numbered(Sequence[Crowd]):
    """The same crowds with ids IMG_1, IMG_2, ..."""

    def __init__(self, crowds: Sequence[Crowd]) -> None:
        self._crowds = crowds

    def __len__(self) -> int:
        return len(self._crowds)

    @overload
    def __getitem__(self, index: int) -> Crowd: ...
    @overload
    def __getitem__(self, index: slice) -> list[Crowd]: ...
    def __getitem__(self, index: int | slice) -> Crowd | list[Crowd]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return replace(self._crowds[index], id=f"IMG_{index + 1}")
