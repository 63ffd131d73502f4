"""The formats of pictures that cameras write, beside JPEG, PNG and WebP: TIFF, BMP, HEIC, AVIF."""

import struct
from collections.abc import Mapping
from importlib.util import find_spec
from typing import BinaryIO

from PIL import features
from PIL.ImageFile import ImageFile

from countguard.errors import InputError

SUFFIXES: Mapping[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
}
"""What pictures that are read are called. The content decides how, whatever the name says. A MPO holds several JPEGs,
of which the first is the picture."""
UNREAD = frozenset(
    {".gif", ".jp2", ".j2k", ".jxl", ".psd", ".svg", ".dng", ".raw", ".cr2", ".cr3"}
    | {".nef", ".arw", ".orf", ".rw2", ".raf", ".pgm", ".ppm", ".pbm", ".pnm", ".tga", ".exr"}
)
"""Names of pictures that are not read: they are named where a folder holds them."""

_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"),
}
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_ENTRIES = 1_000
_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)


def camera_format(start: bytes) -> str | None:
    """TIFF, BMP, HEIF or AVIF by a file's first 64 bytes; None for anything else."""
    if start[:4] in _TIFF:
        return "TIFF"
    if (
        start[:2] == b"BM"
        and len(start) >= 26
        and struct.unpack_from("<I", start, 14)[0] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "BMP"
    if start[4:8] == b"ftyp":
        brands = [start[place : place + 4] for place in (8, *range(16, min(len(start), _box_size(start)), 4))]
        kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
        return "AVIF" if "AVIF" in kinds else kinds[0] if kinds else None
    return None


def reader(kind: str, name: str) -> type[ImageFile]:
    """What decodes a kind that `camera_format` gives.

    Raises:
        InputError: this machine lacks it; says what to install.
    """
    if kind == "TIFF":
        from PIL.TiffImagePlugin import TiffImageFile

        return TiffImageFile
    if kind == "BMP":
        from PIL.BmpImagePlugin import BmpImageFile

        return BmpImageFile
    if (missing := missing_reader(kind)) is not None:
        raise InputError(f"{name}: {missing}")
    if kind == "AVIF":
        from PIL.AvifImagePlugin import AvifImageFile

        return AvifImageFile
    from pillow_heif import HeifImageFile

    heif: type[ImageFile] = HeifImageFile
    return heif


def missing_reader(kind: str) -> str | None:
    """What to install before pictures of a kind can be read; None where nothing is missing."""
    if kind == "AVIF" and not features.check("avif"):
        return "is an AVIF picture; Pillow 11.3 or later, built with AVIF, reads it"
    if kind == "HEIF" and find_spec("pillow_heif") is None:
        return "is a HEIC picture; pip install 'countguard[heic]' reads it"
    return None


def check_tiff(stream: BinaryIO, name: str) -> None:
    """Refuses a TIFF whose first directory costs more than it holds: Pillow copies what every entry points at.

    Raises:
        InputError: the directory is damaged, or its entries together hold more bytes than the file.
    """
    size = stream.seek(0, 2)
    try:
        held = sum(count * bytes_each for _, _, count, bytes_each, _ in _tiff_entries(stream, name))
    except struct.error:
        raise InputError(f"{name}: is a damaged or truncated TIFF") from None
    if held > size:
        raise InputError(f"{name}: its TIFF tags claim {held:,} bytes of the file's {size:,}")
    stream.seek(0)


def _tiff_entries(stream: BinaryIO, name: str) -> list[tuple[int, int, int, int, int]]:
    """Tag, type, number of values, bytes of each, and where they stand in the file, of the first directory."""
    stream.seek(0)
    header = stream.read(8)
    order = _TIFF[header[:4]]
    (start,) = struct.unpack_from(f"{order}I", header, 4)
    stream.seek(start)
    (number,) = struct.unpack(f"{order}H", stream.read(2))
    if number > _ENTRIES:
        raise InputError(f"{name}: has {number:,} TIFF tags; at most {_ENTRIES:,} are read")
    directory = stream.read(12 * number)
    entries = []
    for place in range(0, 12 * number, 12):
        tag, kind, count, value = struct.unpack_from(f"{order}HHII", directory, place)
        bytes_each = _TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 1
        entries.append((tag, kind, count, bytes_each, value if count * bytes_each > 4 else start + 2 + place + 8))
    return entries


def _tiff_end(stream: BinaryIO) -> int:
    """Where the last strip or tile of a TIFF ends, by its first directory; 0 where that does not say."""
    entries = {tag: entry for tag, *entry in _tiff_entries(stream, "")}
    stream.seek(0)
    order = _TIFF[stream.read(4)]
    found: dict[int, tuple[int, ...]] = {}
    for tag in (273, 279, 324, 325):  # offsets and bytes of strips, and of tiles
        if tag in entries:
            kind, count, bytes_each, place = entries[tag]
            stream.seek(place)
            letter = {3: "H", 4: "I"}.get(kind)
            if letter is None:
                return 0
            found[tag] = struct.unpack(f"{order}{count}{letter}", stream.read(count * bytes_each))
    pairs = [
        pair
        for offsets, sizes in ((273, 279), (324, 325))
        for pair in zip(found.get(offsets, ()), found.get(sizes, ()), strict=False)
    ]
    return max((offset + size for offset, size in pairs), default=0)


def camera_file_cut_off(stream: BinaryIO, kind: str) -> bool:
    """Whether a file of such a kind holds less than it promises, so that only decoding it tells more."""
    size = stream.seek(0, 2)
    stream.seek(0)
    if kind == "BMP":
        (promised,) = struct.unpack("<I", stream.read(6)[2:6])
        stream.seek(0)
        return bool(promised > size)
    if kind == "TIFF":
        try:
            end = _tiff_end(stream)
        except struct.error:
            return True
        stream.seek(0)
        return end > size
    place = 0
    while place < size:
        stream.seek(place)
        box = _box_size(stream.read(16))
        if box < 8:  # 0: up to the end of the file
            break
        place += box
    stream.seek(0)
    return place > size


def _box_size(start: bytes) -> int:
    """Bytes of the box that begins here; 0 where it reaches the end of the file or is cut off."""
    if len(start) < 8:
        return 0
    (size,) = struct.unpack_from(">I", start)
    if size == 1 and len(start) >= 16:
        (size,) = struct.unpack_from(">Q", start, 8)
    return int(size)
