"""What is checked of a picture before a decoder sees it: limits that the decoders do not keep themselves."""

import struct
from typing import BinaryIO

from countguard.data.picture_formats import camera_file_cut_off, camera_format
from countguard.errors import InputError

MAX_EXIF_BYTES = 65_536
"""What one JPEG segment holds. Pillow copies what each EXIF entry points at: 4 MB of them would take gigabytes."""
MAX_SCANS = 64
"""Progressive JPEGs have about ten scans; each one costs a pass over all pixels, however few bytes it has."""

_SEGMENTS = 10_000
_ORIENTATION = 0x0112
_SHORT = 3

_SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n"}
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xae\x42\x60\x82"}


def image_format(stream: BinaryIO, name: str) -> str:
    """JPEG, PNG, WEBP, TIFF, BMP, HEIF or AVIF by the first bytes, whatever the file is called.

    Raises:
        InputError: the bytes begin no such picture.
    """
    stream.seek(0)
    start = stream.read(64)
    stream.seek(0)
    for kind, signature in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if (kind := camera_format(start)) is not None:
        return kind
    raise InputError(f"{name}: is not a JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF picture; save it as one of these")


def check_jpeg(stream: BinaryIO, name: str) -> None:
    """Walks the segments of a JPEG up to its first scan, and counts the scans of a progressive one.

    Raises:
        InputError: the segments are damaged, or there is more EXIF or there are more scans than an honest file has.
    """
    stream.seek(2)
    exif, progressive = 0, False
    for _ in range(_SEGMENTS):
        lead, marker = stream.read(1), stream.read(1)
        while marker == b"\xff" and lead == b"\xff":  # padding
            marker = stream.read(1)
        if lead != b"\xff" or not marker:
            break
        if marker == b"\xda":
            if progressive and stream.read().count(b"\xff\xda") >= MAX_SCANS:
                raise InputError(f"{name}: has more than {MAX_SCANS} scans; save the picture anew")
            stream.seek(0)
            return
        size = int.from_bytes(stream.read(2), "big") - 2
        content = stream.read(max(0, size))
        progressive |= marker == b"\xc2"
        if marker == b"\xe1" and content.startswith(b"Exif"):
            exif += len(content)
        if exif > MAX_EXIF_BYTES:
            raise InputError(f"{name}: holds more than {MAX_EXIF_BYTES:,} bytes of EXIF; save the picture without it")
    raise InputError(f"{name}: is a damaged or truncated JPEG")


def looks_cut_off(stream: BinaryIO, kind: str) -> bool:
    """Whether a file's last bytes are not those that end such a picture, so that only decoding it tells more."""
    if kind not in _ENDS and kind != "WEBP":
        return camera_file_cut_off(stream, kind)
    size = stream.seek(0, 2)
    if kind == "WEBP":
        stream.seek(4)
        (promised,) = struct.unpack("<I", stream.read(4))
        cut_off = bool(size < promised + 8)
    else:
        stream.seek(max(0, size - 32))
        cut_off = _ENDS[kind] not in stream.read()
    stream.seek(0)
    return cut_off


def exif_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block names; 1 (upright) where it names none or is damaged.

    Reads the first directory and nothing else.
    """
    block = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(entries):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, start + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
