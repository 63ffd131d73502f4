"""What is checked of a picture before a decoder sees it: limits that the decoders do not keep themselves."""

import re
import struct
from typing import BinaryIO

from countguard.data.picture_formats import camera_file_cut_off, camera_format
from countguard.errors import InputError

MAX_EXIF_BYTES = 65_536
"""What one JPEG segment holds. Pillow copies what each EXIF entry points at: 4 MB of them would take gigabytes."""
MAX_SCANS = 64
"""A JPEG has one scan, a progressive one about ten; each costs a pass over all pixels, however few bytes it has."""

_SEGMENTS = 10_000
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that no length follows. Taking one for a length would pass over what a decoder reads."""
_BLOCK = 1 << 16
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""Among pixels, 0xFF stands before 0 where it is one of theirs; restarts (0xD0 to 0xD7) part them and begin nothing."""
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
    if (other := camera_format(start)) is not None:
        return other
    raise InputError(f"{name}: is not a JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF picture; save it as one of these")


def check_jpeg(stream: BinaryIO, name: str) -> None:
    """Walks the segments of a JPEG up to its first scan, and counts the scans, of which any kind may have many.

    Raises:
        InputError: the segments are damaged, or there is more EXIF or there are more scans than an honest file has.
    """
    stream.seek(2)
    exif = 0
    for _ in range(_SEGMENTS):
        lead, marker = stream.read(1), stream.read(1)
        while marker == b"\xff" and lead == b"\xff":  # padding
            marker = stream.read(1)
        if lead != b"\xff" or not marker:
            break
        if marker == b"\xda":
            _check_scans(stream, name)
            stream.seek(0)
            return
        if marker[0] in _ALONE:
            continue
        size = int.from_bytes(stream.read(2), "big") - 2
        content = stream.read(max(0, size))
        if marker == b"\xe1" and content.startswith(b"Exif"):
            exif += len(content)
        if exif > MAX_EXIF_BYTES:
            raise InputError(f"{name}: holds more than {MAX_EXIF_BYTES:,} bytes of EXIF; save the picture without it")
    raise InputError(f"{name}: is a damaged or truncated JPEG")


def _check_scans(stream: BinaryIO, name: str) -> None:
    """Looks at each marker from the first scan to the end of the picture; what cameras append behind that is not read.

    A decoder passes over the pixels once a scan, and reads tables anew as often as they come.
    """
    scans = 1
    for _ in range(_SEGMENTS):
        marker = _next_marker(stream)
        if marker in (None, _END):
            return
        scans += marker == _SCAN
        if scans > MAX_SCANS:
            raise InputError(f"{name}: has more than {MAX_SCANS} scans; save the picture anew")
        if marker not in _ALONE:
            stream.seek(max(0, int.from_bytes(stream.read(2), "big") - 2), 1)
    raise InputError(f"{name}: is a damaged JPEG: it holds more than {_SEGMENTS:,} segments")


def _next_marker(stream: BinaryIO) -> int | None:
    """Reads past pixels to the next marker, and past that; None where there is none."""
    while block := stream.read(_BLOCK):
        if found := _MARKER.search(block):
            stream.seek(found.end() - len(block), 1)
            return block[found.end() - 1]
        if block[-1] == 0xFF and len(block) > 1:  # its second byte is in the next block
            stream.seek(-1, 1)
    return None


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
