"""Pictures of 16 bits, scaled to 8 by the bits that they use.

Thermal and machine-vision cameras write 10 to 14 bits into 16-bit files. Who keeps the high byte alone sees them black.
"""

import io
import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras use."""

_WHITE = 255


def is_deep(picture: ImageFile) -> bool:
    """Whether a picture that is not decoded yet has 16 bits a channel, gray or RGB."""
    deep = any("16" in mode and not mode.startswith("CMYK") for mode in _raw_modes(picture))
    return (picture.format == "PNG" and deep) or (
        picture.format == "TIFF" and (picture.mode.startswith("I;16") or (deep and picture.mode in ("RGB", "RGBA")))
    )


def used_bits(values: NDArray[np.uint16]) -> int:
    """The least of `DEPTHS` that holds every value."""
    needed = int(values.max(initial=0)).bit_length()
    return next(depth for depth in DEPTHS if depth >= needed)


def deep_rgb(picture: ImageFile, content: bytes) -> tuple[NDArray[np.uint8], int]:
    """RGB uint8 [H, W, 3] of a 16-bit PNG or TIFF, with its transparent parts over white, and the bits it uses.

    Args:
        picture: not decoded yet.
        content: of its file.
    """
    values = _png_values(content) if picture.format == "PNG" else _tiff_values(picture, content)
    has_alpha = values.shape[2] in (2, 4)
    colours = values[..., :-1] if has_alpha else values
    bits = used_bits(colours)
    bright = np.minimum(colours >> (bits - 8), _WHITE).astype(np.uint8)
    if has_alpha:
        opacity = values[..., -1:].astype(np.float32) / _opaque(values[..., -1], bits)
        bright = (bright * opacity + _WHITE * (1 - opacity)).round().astype(np.uint8)
    elif (clear := picture.info.get("transparency")) is not None:
        bright[(values == np.array(clear, dtype=np.int64).reshape(1, 1, -1)).all(axis=2)] = _WHITE
    return np.ascontiguousarray(np.broadcast_to(bright, (*values.shape[:2], 3))), bits


def _opaque(alpha: NDArray[np.uint16], bits: int) -> int:
    """What is opaque in a picture of so many bits: its own white, unless some of it is more than that."""
    return (1 << bits) - 1 if used_bits(alpha) <= bits else 65535


def _png_values(content: bytes) -> NDArray[np.uint16]:
    """All 16 bits, which Pillow keeps for grayscale alone: [H, W, channels]."""
    from torchvision.io import ImageReadMode, decode_png

    encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    values: NDArray[np.uint16] = decode_png(encoded, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    return values


def _tiff_values(picture: ImageFile, content: bytes) -> NDArray[np.uint16]:
    """All 16 bits of a TIFF. Of colours Pillow keeps one byte: the other one is read as if it were the high one."""
    if picture.mode.startswith("I;16"):
        gray: NDArray[np.uint16] = np.asarray(picture).astype(np.uint16)[..., None]
        return gray
    low_bytes = type(picture)(io.BytesIO(content))
    tiles: Any = low_bytes.tile
    low_bytes.tile = [tile._replace(args=_exchanged(tile.args)) for tile in tiles]
    high, low = (np.asarray(one).astype(np.uint16) for one in (picture, low_bytes))
    colours: NDArray[np.uint16] = (high << 8 | low).astype(np.uint16)
    return colours


def _raw_modes(picture: ImageFile) -> list[str]:
    modes = (tile.args if isinstance(tile.args, str) else tile.args[0] for tile in picture.tile[:1] if tile.args)
    return [mode for mode in modes if isinstance(mode, str)]


def _exchanged(args: object) -> object:
    """A raw mode with the other order of bytes, alone or first in a tuple."""
    if isinstance(args, tuple | list):
        return type(args)([_exchanged(args[0]), *args[1:]])
    mode, order = str(args)[:-1], str(args)[-1]
    native = "L" if sys.byteorder == "little" else "B"
    return mode + ("B" if (native if order == "N" else order) == "L" else "L")
