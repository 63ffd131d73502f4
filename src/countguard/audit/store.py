"""The features of a whole set, a byte a value: in memory, or in a temporary file where they are many."""

import os
import tempfile
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from countguard.audit.features import FAMILIES, Canvas, Family, Floats

Codes: TypeAlias = NDArray[np.int8]
Coded: TypeAlias = tuple[Codes, Floats]
"""Features as whole steps, and the size of a step for each family of bands."""

IN_MEMORY = 1 << 29
"""Bytes of features up to which a set is kept in memory."""
_STEPS = 127
_AT_ONCE = 64


def coded(features: Floats, canvas: Canvas) -> Coded:
    """Features rounded to 1/127 of the largest of each family."""
    codes, steps = np.zeros(canvas.size, np.int8), np.zeros(len(FAMILIES), np.float32)
    for place, family in enumerate(FAMILIES):
        part = _part(canvas, family)
        steps[place] = np.abs(features[part]).max(initial=0.0) / _STEPS
        if steps[place]:
            codes[part] = np.rint(features[part] / steps[place])
    return codes, steps


class Rows:
    """Features of some pictures less the set's mean, a byte a value until they are asked for.

    Args:
        codes: of the pictures, a row each.
        steps: the size of a step, for each picture and family.
        mean: of the set.
    """

    def __init__(self, codes: Codes, steps: Floats, mean: Floats) -> None:
        self._codes = codes
        self._steps = steps
        self._mean = mean

    def part(self, family: Family, span: slice) -> Floats:
        """The features of a span within a family: float32 [pictures, values], contiguous."""
        values = self._codes[:, span].astype(np.float32)
        values *= self._steps[:, FAMILIES.index(family), None]
        values -= self._mean[span]
        return values


class FeatureStore:
    """Features of pictures 0..length - 1, written once each in any order, then read in blocks.

    Args:
        canvas: of the set.
        length: how many pictures.
    """

    def __init__(self, canvas: Canvas, length: int) -> None:
        self.canvas = canvas
        self._steps = np.zeros((length, len(FAMILIES)), np.float32)
        in_memory = length * canvas.size <= IN_MEMORY
        self._codes = np.zeros((length if in_memory else 0, canvas.size), np.int8)
        self._file = None if in_memory else tempfile.TemporaryFile(prefix="countguard-audit-")  # noqa: SIM115
        self._mean = np.zeros(canvas.size, np.float32)

    def __len__(self) -> int:
        return len(self._steps)

    def put(self, position: int, features: Coded) -> None:
        """Keep a picture's features."""
        codes, self._steps[position] = features
        if self._file is None:
            self._codes[position] = codes
        else:
            os.pwrite(self._file.fileno(), codes.tobytes(), position * self.canvas.size)

    def finish(self) -> None:
        """Take the mean of all pictures, which `rows` subtracts: what all share tells nothing of two."""
        total = np.zeros(self.canvas.size)
        for start in range(0, len(self), _AT_ONCE):
            total += self._raw(range(start, min(start + _AT_ONCE, len(self)))).sum(axis=0)
        self._mean = (total / len(self)).astype(np.float32)

    def rows(self, positions: Sequence[int]) -> Floats:
        """Features less the set's mean: float32 [len(positions), canvas.size]."""
        rows = self._raw(positions)
        rows -= self._mean
        return rows

    def coded_rows(self, positions: Sequence[int]) -> Rows:
        """The same in a quarter of the memory, to be read part by part."""
        return Rows(self._read(positions), self._steps[np.asarray(positions)], self._mean)

    def _raw(self, positions: Sequence[int]) -> Floats:
        rows = self._read(positions).astype(np.float32)
        steps = self._steps[np.asarray(positions)]
        for place, family in enumerate(FAMILIES):
            rows[:, _part(self.canvas, family)] *= steps[:, place, None]
        return rows

    def _read(self, positions: Sequence[int]) -> Codes:
        if self._file is None:
            codes: Codes = self._codes[np.asarray(positions)]
            return codes
        size = self.canvas.size
        codes = np.empty((len(positions), size), np.int8)
        for row, position in enumerate(positions):
            codes[row] = np.frombuffer(os.pread(self._file.fileno(), size, position * size), np.int8)
        return codes


def _part(canvas: Canvas, family: Family) -> slice:
    spans = canvas.spans[family]
    return slice(spans[0].start, spans[-1].stop)
