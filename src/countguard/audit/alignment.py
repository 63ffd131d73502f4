"""Likeness of pictures wherever the shared thing lies: shifted, or seen in a mirror."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from countguard.audit.features import Canvas, Floats, octave_of
from countguard.audit.store import FeatureStore

REACH = 0.12
"""Largest shift that is looked for, as a share of the frame's sides."""
_ROWS = 128
"""Rows of the maps at most: shifts are found on coarser octaves than pictures are told by."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Where pictures are most like a template.

    Attributes:
        likeness: the inner product there.
        shifts: by how many values (down, right) the template has to be moved: int [n, 2].
    """

    likeness: Floats
    shifts: NDArray[np.intp]


class Spectra:
    """Spectra of light and colour of pictures at a middling size, by which they are compared under all shifts at once.

    Args:
        store: features of the set.
        positions: the pictures.
    """

    def __init__(self, store: FeatureStore, positions: Sequence[int]) -> None:
        self.canvas: Canvas = store.canvas
        by_channel = {
            channel: next(
                band for band in self.canvas.bands if band.channel == channel and band.height <= max(_ROWS, 0)
            )
            for channel in ("y", "u", "v")
        }
        self.height, self.width = max((band.height, band.width) for band in by_channel.values())
        parts = []
        for start in range(0, len(positions), 64):
            rows = store.rows(positions[start : start + 64])
            maps = [self._sized(octave_of(rows, self.canvas, band)) for band in by_channel.values()]
            parts.append(fft.rfft2(np.stack(maps, axis=1)))
        self.values: NDArray[np.complex64] = np.concatenate(parts)
        down, across = round(REACH * self.height), round(REACH * self.width)
        self._down, self._across = np.arange(-down, down + 1), np.arange(-across, across + 1)
        down_rates, columns = fft.fftfreq(self.height), fft.rfftfreq(self.width)
        twice = np.where((columns == 0) | (columns == 0.5), 1, 2)
        self._from_rows = np.exp(2j * np.pi * np.outer(self._down, down_rates)).astype(np.complex64)
        self._from_columns = (twice[:, None] * np.exp(2j * np.pi * np.outer(columns, self._across))).astype(
            np.complex64
        )

    def peaks(self, template: NDArray[np.complex64]) -> Peaks:
        """The best shift of a template for each picture.

        Args:
            template: a spectrum, complex [channels, height, width // 2 + 1].
        """
        products = np.einsum("nchw,chw->nhw", self.values, template.conj())
        surface = (self._from_rows @ products @ self._from_columns).real / (self.height * self.width)
        flat = surface.reshape(len(surface), -1)
        best = flat.argmax(axis=1)
        down, across = np.divmod(best, len(self._across))
        shifts = np.stack([self._down[down], self._across[across]], axis=1)
        return Peaks(flat[np.arange(len(flat)), best], shifts)

    def moved(self, spectra: NDArray[np.complex64], shifts: NDArray[np.intp]) -> NDArray[np.complex64]:
        """Spectra of the pictures moved by so many values (down, right)."""
        rows, columns = fft.fftfreq(self.height), fft.rfftfreq(self.width)
        phase = shifts[:, :1, None] * rows[None, :, None] + shifts[:, 1:, None] * columns[None, None, :]
        moved: NDArray[np.complex64] = spectra * np.exp(-2j * np.pi * phase)[:, None].astype(np.complex64)
        return moved

    @staticmethod
    def mirrored(spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Spectra of pictures seen in a mirror, left to right, up to a shift by one value."""
        return np.roll(spectra[..., ::-1, :], 1, axis=-2).conj()

    @staticmethod
    def upside_down(spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Spectra of pictures turned upside down, up to a shift by one value."""
        return np.roll(spectra[..., ::-1, :], 1, axis=-2)

    def _sized(self, octave: Floats) -> Floats:
        repeat = self.height // octave.shape[1]
        return octave.repeat(repeat, axis=1).repeat(repeat, axis=2) / repeat if repeat > 1 else octave
