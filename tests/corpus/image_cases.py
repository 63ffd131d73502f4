"""Pictures that are none, lie about their size, or cost more than they hold."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from corpus.case import Case, picture
from countguard.data.images import read_image


def _file(name: str, content: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        path = root / name
        path.write_bytes(content if isinstance(content, bytes) else content())
        return path

    return make


def _changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        path = picture(root / name)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def _sized(name: str, width: int, height: int) -> Callable[[Path], Path]:
    return lambda root: picture(root / name, width, height)


def _saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, kind)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG whose header is right for its size and whose pixels are missing."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + png_chunk(b"IEND", b"")


def _webp_canvas(side: int) -> bytes:
    """An animation whose canvas is huge and whose one frame is not."""
    frame_data = _webp_body()
    size = struct.pack("<I", side - 1)[:3]
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + size * 2
    frame = bytes(6) + struct.pack("<I", 15)[:3] * 2 + bytes(4) + frame_data
    body = (
        b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_body() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()[12:]


def _jpeg_sized(content: bytes) -> bytes:
    place = content.index(b"\xff\xc0")
    return content[: place + 5] + struct.pack(">HH", 65500, 65500) + content[place + 9 :]


def _jpeg_exif(content: bytes) -> bytes:
    """Four thousand EXIF entries that each point at the same 400 kB: more than a gigabyte to copy."""
    entries = b"".join(struct.pack("<HHII", tag + 1, 7, 400_000, 8) for tag in range(4000))
    block = (b"II*\0" + struct.pack("<IH", 8, 4000) + entries).ljust(500_000, b"\0")
    parts = [b"Exif\0\0" + block[start : start + 65_000] for start in range(0, len(block), 65_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return content[:2] + segments + content[20:]


def _jpeg_scans(scans: int) -> bytes:
    """A grayscale of one colour in thousands of scans that are a few bytes each."""
    buffer = io.BytesIO()
    Image.new("L", (2000, 2000), 128).save(buffer, "JPEG", progressive=True, quality=10)
    content = buffer.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * scans + content[-2:]


def _jpeg_baseline_scans(scans: int, hidden_by: bytes = b"") -> bytes:
    """A picture that is not progressive, its colours in scans of their own, over and over.

    Args:
        scans: how many.
        hidden_by: a marker without a length before them: taken for one, it hides what follows.
    """
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 2000), (128, 128, 128)).save(buffer, "JPEG", quality=10, subsampling=0)
    head = buffer.getvalue()[: buffer.getvalue().index(b"\xff\xda")]
    each = [
        b"\xff\xda" + struct.pack(">H6B", 8, 1, colour, 0 if colour == 1 else 0x11, 0, 63, 0) + b"\0"
        for colour in (1, 2, 3)
    ]
    return head + hidden_by + b"".join(each * (scans // 3)) + b"\xff\xd9"


def _jpeg_tables(tables: int) -> bytes:
    """Tables between two scans, each of which a decoder reads."""
    content = _jpeg_baseline_scans(6)
    place = content.rindex(b"\xff\xda")
    return content[:place] + (b"\xff\xdb\0\x43\0" + bytes([1] * 64)) * tables + content[place:]


def _tiff_of_tags() -> bytes:
    """Nine hundred tags that each point at the same 4 kB: Pillow copies what a tag points at."""
    entries = b"".join(struct.pack("<HHII", 40_000 + tag, 1, 4000, 8) for tag in range(900))
    return b"II*\0" + struct.pack("<IH", 8, 900) + entries + bytes(5000)


def _directory(root: Path) -> Path:
    (root / "crowd.jpg").mkdir()
    return root / "crowd.jpg"


def _link(target: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / "crowd.jpg").symlink_to(target)
        return root / "crowd.jpg"

    return make


def _pipe(root: Path) -> Path:
    os.mkfifo(root / "crowd.jpg")
    return root / "crowd.jpg"


def _sparse(root: Path) -> Path:
    path = picture(root / "crowd.png")
    os.truncate(path, 1 << 30)
    return path


_TEXT_BOMB = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 25)))

_MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "bomb_png": (_file("crowd.png", png(60_000, 60_000)), "60000 x 60000 pixels"),
    "bomb_png_above_32_bits": (_file("crowd.png", png(2**31 - 1, 2**31 - 1)), "crowd.png"),
    "bomb_png_just_above": (_file("crowd.png", png(10001, 10000)), "at most 100,000,000"),
    "bomb_png_one_row": (_file("crowd.png", png(60_000_000, 1)), "at least 8"),
    "bomb_webp": (_file("crowd.webp", lambda: _webp_canvas(16_383)), "16383 x 16383 pixels"),
    "bomb_jpeg": (_changed("crowd.jpg", _jpeg_sized), "65500 x 65500 pixels"),
    "bomb_text_chunk": (_file("crowd.png", png(64, 48, *[_TEXT_BOMB] * 200)), "damaged"),
    "bomb_exif": (_changed("crowd.jpg", _jpeg_exif), "bytes of EXIF"),
    "bomb_scans": (_file("crowd.jpg", lambda: _jpeg_scans(5000)), "scans"),
    "bomb_scans_not_progressive": (_file("crowd.jpg", lambda: _jpeg_baseline_scans(20_000)), "scans"),
    "bomb_scans_behind_a_restart": (_file("crowd.jpg", lambda: _jpeg_baseline_scans(6000, b"\xff\xd0")), "scans"),
    "bomb_scans_behind_a_marker": (_file("crowd.jpg", lambda: _jpeg_baseline_scans(6000, b"\xff\x01")), "scans"),
    "bomb_tables": (_file("crowd.jpg", lambda: _jpeg_tables(20_000)), "more than 10,000 segments"),
    "bomb_file": (_sparse, "1,073,741,824 bytes"),
    "truncated_jpeg": (_changed("crowd.jpg", lambda content: content[: len(content) // 2]), "truncated"),
    "truncated_jpeg_header": (_changed("crowd.jpg", lambda content: content[:100]), "truncated"),
    "truncated_png": (_changed("crowd.png", lambda content: content[: len(content) // 2]), "truncated"),
    "truncated_png_header": (_changed("crowd.png", lambda content: content[:20]), "truncated"),
    "truncated_webp": (_changed("crowd.webp", lambda content: content[: len(content) // 2]), "damaged"),
    "png_pixels_missing": (_file("crowd.png", png(640, 480)), "damaged"),
    "png_wrong_checksum": (_changed("crowd.png", lambda content: content[:30] + b"abc" + content[33:]), "damaged"),
    "png_noise": (_changed("crowd.png", lambda content: content[:60] + bytes(200) + content[260:]), "damaged"),
    "jpeg_noise": (_file("crowd.jpg", b"\xff\xd8\xff" + bytes(range(256)) * 20), "damaged"),
    "jpeg_of_padding": (_file("crowd.jpg", b"\xff\xd8" + b"\xff" * 100_000), "damaged"),
    "jpeg_of_segments": (_file("crowd.jpg", b"\xff\xd8" + b"\xff\xe2\0\2" * 100_000), "damaged"),
    "renamed_text": (_file("crowd.jpg", b"not a picture"), "is not a JPEG, PNG, WebP"),
    "renamed_html": (_file("crowd.png", b"<html><script>alert(1)</script></html>"), "is not a JPEG"),
    "renamed_svg": (_file("crowd.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "is not a JPEG"),
    "renamed_zip": (_file("crowd.jpg", b"PK\3\4" + bytes(100)), "is not a JPEG"),
    "renamed_gif": (_file("crowd.jpg", lambda: _saved("GIF")), "is not a JPEG"),
    "tiff_of_tags": (_file("crowd.tif", _tiff_of_tags), "TIFF tags claim"),
    "tiff_cut_off": (_file("crowd.tif", lambda: _saved("TIFF")[:5000]), "is damaged or truncated"),
    "tiff_without_directory": (_file("crowd.tif", b"II*\0\xff\xff\0\0"), "is a damaged or truncated TIFF"),
    "bmp_cut_off": (_file("crowd.bmp", lambda: _saved("BMP")[:500]), "is damaged or truncated"),
    "avif_cut_off": (_file("crowd.avif", lambda: _saved("AVIF")[:200]), "is damaged or truncated"),
    "heic_that_is_none": (_file("crowd.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "crowd.heic: is "),
    "renamed_postscript": (_file("crowd.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n"), "is not a JPEG"),
    "empty": (_file("crowd.jpg", b""), "is empty"),
    "one_pixel": (_sized("crowd.png", 1, 1), "1 x 1 pixels"),
    "strip": (_sized("crowd.jpg", 1000, 7), "both sides need at least 8"),
    "directory": (_directory, "is not a file"),
    "missing": (lambda root: root / "crowd.jpg", "No such file"),
    "link_to_nothing": (_link("gone.jpg"), "is a link to nothing"),
    "link_to_itself": (_link("crowd.jpg"), "is a link to nothing"),
    "link_to_a_device": (_link("/dev/zero"), "is not a file"),
    "pipe": (_pipe, "is not a file"),
    "name_of_two_lines": (_file("crowd\n\x1b[2Jok.jpg", b"nothing"), "crowd\\n"),
}

IMAGE_CASES = [Case(f"image_{name}", make, read_image, says) for name, (make, says) in _MAKERS.items()]
