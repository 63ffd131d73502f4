"""The guard of `countguard count`: two counters from their files, and the threshold that belongs to them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from countguard.data.crowd import Crowd
from countguard.data.images import read_image
from countguard.data.picture_folders import find_pictures
from countguard.data.source import LazyCrowds
from countguard.errors import InputError
from countguard.models import load_counter
from countguard.models.counter import Counter
from countguard.models.inference import for_inference
from countguard.scan.guard import Guard, read_calibration, require_guard_place, write_calibration


def guard_of(counter: Counter, path: Path, repaired: Path | None, clean: Sequence[Path]) -> Guard | None:
    """The guard of a counter and its repaired twin; None where no twin is named.

    Args:
        counter: the suspect, loaded.
        path: its file.
        repaired: file of the twin.
        clean: clean pictures and folders of them; the threshold is found on them and written beside the twin. None of
            them: it is read from there.

    Raises:
        InputError: the twin is no counter, its threshold is missing or belongs to others, or a picture is bad.
    """
    if repaired is None:
        if clean:
            raise InputError("--clean: finds the threshold of a guard; name the repaired counter with --guard")
        return None
    if clean:
        require_guard_place(repaired, "--guard")
    twin = for_inference(load_counter(repaired, counter.mean.device))
    if not clean:
        return Guard(counter, twin, read_calibration(path, repaired))
    guard = Guard(counter, twin)
    write_calibration(guard.calibrate(_Pictures(find_pictures(clean).pictures)), path, repaired)
    return guard


class _Pictures(LazyCrowds):
    """Pictures without labels, read when they are asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        file = self._files[position]
        return Crowd(read_image(file), torch.zeros(0, 2), file.stem)
