"""The features of a whole set: a byte a value, in memory where they are few and in a temporary file where they are not."""

import os
import tempfile
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from countguard.audit.features import FAMILIES, Canvas, Family, Floats

Codes: TypeAlias = NDArray[np.int8]

IN_MEMORY = 1 << 29
"""Bytes of features up to which a set is kept in memory."""
_STEPS = 127


class FeatureStore:
    """Features of pictures 0..length - 1, written once each in any order and from any thread, then read in blocks.

    Args:
        canvas: of the set.
        length: how many pictures.
    """

    def __init__(self, canvas: Canvas, length: int) -> None:
        self.canvas = canvas
        self._length = length
        self._scales = np.zeros((length, len(FAMILIES)), np.float32)
        self._in_memory = length * canvas.size <= IN_MEMORY
        self._codes = np.zeros((length if self._in_memory else 0, canvas.size), np.int8)
        self._file = None if self._in_memory else tempfile.TemporaryFile(prefix="countguard-audit-")
        self._mean: Floats | None = None

    def __len__(self) -> int:
        return self._length

    def put(self, position: int, features: Floats) -> None:
        """Keep a picture's features, rounded to 1/127 of the largest of each family."""
        codes = np.empty(self.canvas.size, np.int8)
        for place, family in enumerate(FAMILIES):
            part = self._part(family)
            scale = float(np.abs(features[part]).max(initial=0.0)) / _STEPS
            self._scales[position, place] = scale
            codes[part] = np.rint(features[part] / scale) if scale else 0
        if self._file is None:
            self._codes[position] = codes
        else:
            os.pwrite(self._file.fileno(), codes.tobytes(), position * self.canvas.size)

    def finish(self) -> None:
        """Take the mean of all pictures, which `rows` subtracts: what all share tells nothing of two."""
        total = np.zeros(self.canvas.size)
        for start in range(0, len(self), 64):
            total += self._raw(range(start, min(start + 64, len(self)))).sum(axis=0)
        self._mean = (total / len(self)).astype(np.float32)

    def rows(self, positions: Sequence[int]) -> Floats:
        """Features less the set's mean: float32 [len(positions), canvas.size]."""
        assert self._mean is not None, "finish() comes first"
        rows = self._raw(positions)
        rows -= self._mean
        return rows

    def _raw(self, positions: Sequence[int]) -> Floats:
        rows = self._read(positions).astype(np.float32)
        scales = self._scales[np.asarray(positions)]
        for place, family in enumerate(FAMILIES):
            rows[:, self._part(family)] *= scales[:, place, None]
        return rows

    def _read(self, positions: Sequence[int]) -> Codes:
        if self._file is None:
            return self._codes[np.asarray(positions)]
        size = self.canvas.size
        codes = np.empty((len(positions), size), np.int8)
        for row, position in enumerate(positions):
            codes[row] = np.frombuffer(os.pread(self._file.fileno(), size, position * size), np.int8)
        return codes

    def _part(self, family: Family) -> slice:
        spans = self.canvas.spans[family]
        return slice(spans[0].start, spans[-1].stop)
