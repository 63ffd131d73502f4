"""Likeness of pictures wherever the shared thing lies: shifted, or seen in a mirror."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from countguard.audit.features import Band, Canvas, Floats, octave_of
from countguard.audit.store import FeatureStore

Spectrum: TypeAlias = NDArray[np.complex64]

REACH = 0.12
"""Largest shift that is looked for, as a fraction of the frame's sides."""
_ROWS = 128
"""Rows of the maps at most: shifts are found on coarser octaves than pictures are told by."""
_AT_ONCE = 64
_TEMPLATES = 4
"""Templates that are held against pictures at a time: more would not fit a core's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Where pictures are most like a template.

    Attributes:
        heights: the inner product there, in deviations of all shifts of the same picture: [templates, pictures].
        shifts: by how many values (down, right) the template has to be moved: int [templates, pictures, 2].
    """

    heights: Floats
    shifts: NDArray[np.intp]


class Spectra:
    """Spectra of light and colour of pictures at a middling size, by which they are compared under all shifts at once.

    Args:
        store: features of the set.
        positions: the pictures.

    Attributes:
        height, width: of the maps, values.
        halves: the pictures with their right half blank, and with their left half blank: complex
            [n, channels, height, width // 2 + 1]. Halves of a chessboard would hardly meet under a shift.
    """

    def __init__(self, store: FeatureStore, positions: Sequence[int]) -> None:
        canvas = store.canvas
        bands = [_middling(canvas, channel) for channel in ("y", "u", "v")]
        self.height, self.width = max((band.height, band.width) for band in bands)
        left = np.arange(self.width) < canvas.columns // 2 * (self.width // canvas.columns)
        masks = [left.astype(np.float32), (~left).astype(np.float32)]
        parts: list[list[Spectrum]] = [[], []]
        for start in range(0, len(positions), _AT_ONCE):
            rows = store.coded_rows(positions[start : start + _AT_ONCE])
            maps = np.stack([self._sized(octave_of(rows.part, canvas, band)) for band in bands], axis=1)
            for part, mask in zip(parts, masks, strict=True):
                part.append(fft.rfft2(maps * mask, workers=os.cpu_count() or 1))
        self.halves = tuple(np.concatenate(part) for part in parts)

    def whole(self) -> Spectrum:
        """The pictures."""
        both: Spectrum = self.halves[0] + self.halves[1]
        return both

    def peaks(self, pictures: Spectrum, templates: Spectrum, *, step: int = 1) -> Peaks:
        """The best shift of each template for each picture.

        Args:
            pictures: [n, channels, height, width // 2 + 1].
            templates: [m, channels, height, width // 2 + 1].
            step: 2 looks at every other shift alone, which is four times as fast.
        """
        down, across = (
            np.arange(-round(REACH * side), round(REACH * side) + 1, step) for side in (self.height, self.width)
        )
        conjugates = templates.conj()
        heights = np.empty((len(templates), len(pictures)), np.float32)
        shifts = np.empty((len(templates), len(pictures), 2), np.intp)
        for start in range(0, len(templates), _TEMPLATES):
            some = slice(start, start + _TEMPLATES)
            surface = self._surface(_products(pictures, conjugates[some, None]), down, across)
            flat = surface.reshape(*surface.shape[:2], -1)
            best = flat.argmax(axis=-1)
            centre, spread = np.median(flat, axis=-1), flat.std(axis=-1) + 1e-12
            heights[some] = (np.take_along_axis(flat, best[..., None], axis=-1)[..., 0] - centre) / spread
            row, column = np.divmod(best, len(across))
            shifts[some] = np.stack([down[row], across[column]], axis=-1)
        return Peaks(heights, shifts)

    def at(self, pictures: Spectrum, templates: Spectrum, shifts: NDArray[np.intp]) -> Floats:
        """The inner product of each picture with its own template at its own shift, in deviations of other shifts."""
        found = np.empty(len(pictures), np.float32)
        for place, (picture, template, shift) in enumerate(zip(pictures, templates, shifts.tolist(), strict=True)):
            product = np.einsum("chw,chw->hw", picture, template.conj())[None]
            (here,) = self._surface(product, np.array(shift[:1]), np.array(shift[1:])).ravel()
            far = (
                np.arange(self.height // 4, 3 * self.height // 4, 3),
                np.arange(self.width // 4, 3 * self.width // 4, 3),
            )
            found[place] = here / (self._surface(product, *far).std() + 1e-12)
        return found

    def undone(self, pictures: Spectrum, shifts: NDArray[np.intp], mirrored: NDArray[np.bool_]) -> Spectrum:
        """Pictures moved back by their shifts, and out of the mirror: what they share then lies in one place."""
        rows, columns = fft.fftfreq(self.height), fft.rfftfreq(self.width)
        phase = shifts[:, :1, None] * rows[None, :, None] + shifts[:, 1:, None] * columns[None, None, :]
        moved = pictures * np.exp(2j * np.pi * phase)[:, None].astype(np.complex64)
        moved[mirrored] = in_mirror(moved[mirrored])
        back: Spectrum = moved
        return back

    def tile_sums(self, one: Spectrum, other: Spectrum, canvas: Canvas) -> NDArray[np.float64]:
        """Inner product of two spectra's maps in each tile."""
        product = (self._maps(one) * self._maps(other)).sum(axis=0)
        side = self.height // canvas.rows
        grid = product.reshape(canvas.rows, side, canvas.columns, side)
        sums: NDArray[np.float64] = grid.sum(axis=(1, 3), dtype=np.float64).ravel()
        return sums

    def _maps(self, spectrum: Spectrum) -> Floats:
        maps: Floats = fft.irfft2(spectrum, s=(self.height, self.width))
        return maps

    def _surface(self, products: Spectrum, down: NDArray[np.intp], across: NDArray[np.intp]) -> Floats:
        """Inverse transform of products at some shifts alone: [..., down, across]."""
        rows, columns = fft.fftfreq(self.height), fft.rfftfreq(self.width)
        twice = np.where((columns == 0) | (columns == 0.5), 1, 2) / (self.height * self.width)
        from_rows = np.exp(2j * np.pi * np.outer(down, rows)).astype(np.complex64)
        from_columns = twice[:, None] * np.exp(2j * np.pi * np.outer(columns, across))
        # the real part alone, as one product of real numbers: a complex number is a pair of them in memory
        real = np.stack([from_columns.real, -from_columns.imag], axis=1).reshape(-1, len(across)).astype(np.float32)
        surface: Floats = (from_rows @ products).view(np.float32) @ real
        return surface

    def _sized(self, octave: Floats) -> Floats:
        repeat = self.height // octave.shape[1]
        return octave.repeat(repeat, axis=1).repeat(repeat, axis=2) / repeat if repeat > 1 else octave


def _products(pictures: Spectrum, templates: Spectrum) -> Spectrum:
    """Pictures times templates, summed over channels: [..., height, width // 2 + 1]; faster than `np.einsum`."""
    total: Spectrum = pictures[..., 0, :, :] * templates[..., 0, :, :]
    for channel in range(1, pictures.shape[-3]):
        total += pictures[..., channel, :, :] * templates[..., channel, :, :]
    return total


def in_mirror(spectra: Spectrum) -> Spectrum:
    """Spectra of pictures seen in a mirror, left to right, up to a shift by one value."""
    flipped: Spectrum = np.roll(spectra[..., ::-1, :], 1, axis=-2).conj()
    return flipped


def _middling(canvas: Canvas, channel: str) -> Band:
    """The finest octave of a channel that has no more rows than shifts are looked for on."""
    return next(band for band in canvas.bands if band.channel == channel and band.height <= _ROWS)
