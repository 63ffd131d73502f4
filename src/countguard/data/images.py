"""Pictures from strangers in, upright RGB out, or one line that says what is wrong."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from torch import Tensor

from countguard.data.deep_pictures import deep_rgb, is_deep
from countguard.data.image_guard import check_jpeg, exif_orientation, image_format, looks_cut_off
from countguard.data.in_flight import PICTURES
from countguard.data.picture_formats import SUFFIXES, check_tiff, reader
from countguard.errors import InputError
from countguard.reading import open_file

IMAGE_SUFFIXES = frozenset(SUFFIXES)
MAX_PIXELS = 100_000_000
"""Pictures with more are refused before they are decoded. NWPU-Crowd's largest has 77 million."""
MAX_BYTES = 1 << 28
"""Files with more are not opened."""
MIN_SIDE = 8
"""Pictures with a shorter side hold no person: it is one map cell of a density map."""

_READERS: dict[str, type[ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WEBP": WebPImageFile}
"""Named one by one: `Image.open` would try some forty formats, and warn of large pictures in lines of its own."""
_BAND = 256
"""Rows."""
_BLOCK = 1 << 26
"""Bytes that Pillow takes at a time. Of its usual 16 MiB, glibc keeps what is freed for the thread that freed it: over
a few threads that is gigabytes. What is larger than 32 MiB goes back to the system."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACK = _UPRIGHT | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What a picture's header says.

    Attributes:
        stored: height and width of the stored pixels.
        orientation: 1 to 8, of its EXIF; 1 is upright.
    """

    stored: tuple[int, int]
    orientation: int

    def size(self, *, upright: bool) -> tuple[int, int]:
        """Height and width, as a viewer shows it or as it is stored."""
        height, width = self.stored
        return (width, height) if upright and self.orientation >= 5 else (height, width)


def read_image(
    file: str | Path | BinaryIO, *, name: str | None = None, max_pixels: int = MAX_PIXELS, upright: bool = True
) -> Tensor:
    """A picture as a viewer shows it: uint8 [3, H, W], RGB, contiguous.

    EXIF orientation is applied. Grayscale, palette and CMYK become RGB, 16 bits are scaled by those that the picture
    uses, and what is transparent lies over white. Colour profiles are ignored. Of an animation the first picture is
    taken.

    Args:
        file: a path, or a binary stream that can seek.
        name: what errors call a stream.
        max_pixels: larger pictures are refused by their header alone.
        upright: False leaves EXIF orientation aside: the picture as it is stored.

    Raises:
        InputError: not a picture, damaged, a side under `MIN_SIDE` or more than `max_pixels` or `MAX_BYTES`.
    """
    image, _ = read_with_depth(file, name=name, max_pixels=max_pixels, upright=upright)
    return image


def read_with_depth(
    file: str | Path | BinaryIO, *, name: str | None = None, max_pixels: int = MAX_PIXELS, upright: bool = True
) -> tuple[Tensor, int | None]:
    """The same picture as `read_image`, and how many of its 16 bits it uses; None for pictures of 8 bits."""
    with _opened(file, name, max_pixels) as (picture, stream, _, orientation):
        rgb, bits = _to_rgb(picture, stream)
        turned = picture.format == "TIFF"  # Pillow has turned it upright
        if orientation in _UPRIGHT and turned != upright:
            rgb = rgb.transpose((_UPRIGHT if upright else _BACK)[orientation])
        bands = np.empty((3, rgb.height, rgb.width), dtype=np.uint8)
        for index in range(3):  # one at a time: a picture of 77 million pixels takes 300 MB as it is
            bands[index] = np.asarray(rgb.getchannel(index))
        return torch.from_numpy(bands), bits


def image_size(path: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width of the upright picture by its header; a file that looks cut off is decoded, to be sure.

    Raises:
        InputError: as `read_image`, as far as the header and the file's end tell.
    """
    return picture_header(path, max_pixels=max_pixels).size(upright=True)


def picture_header(path: Path, *, max_pixels: int = MAX_PIXELS) -> PictureHeader:
    """Size and orientation; raises as `image_size`."""
    with _opened(path, None, max_pixels) as (picture, _, cut_off, orientation):
        width, height = picture.size
        if picture.format == "TIFF" and orientation >= 5:  # Pillow names the upright size
            width, height = height, width
        if cut_off:
            picture.load()
        return PictureHeader((height, width), orientation)


def list_images(folder: Path) -> list[Path]:
    """Everything in a folder that is called like a picture, in natural order: IMG_2 before IMG_10.

    Hidden names are left out, such as the `._IMG_1.jpg` of archives.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder ({error.strerror})") from None
    pictures = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    return sorted(pictures, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> tuple[tuple[str | int, ...], str]:
    """A sort key by which numbers inside a name count as numbers; equal names keep one order."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d{1,18})", name)), name


@contextmanager
def _opened(
    file: str | Path | BinaryIO, name: str | None, max_pixels: int
) -> Iterator[tuple[ImageFile, BinaryIO, bool, int]]:
    """The picture with its header read and checked, its file, whether its end looks cut off, and its orientation."""
    stream = open_file(Path(file), MAX_BYTES) if isinstance(file, str | Path) else file
    name = name or (str(file) if isinstance(file, str | Path) else "picture")
    try:
        kind = image_format(stream, name)
        if kind == "JPEG":
            check_jpeg(stream, name)
        if kind == "TIFF":
            check_tiff(stream, name)
        cut_off = looks_cut_off(stream, kind)
        with (_READERS.get(kind) or reader(kind, name))(stream) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise InputError(f"{name}: {width} x {height} pixels; at most {max_pixels:,} are read")
            if min(width, height) < MIN_SIDE:
                raise InputError(f"{name}: {width} x {height} pixels; both sides need at least {MIN_SIDE}")
            if picture.mode in ("I", "F") and not is_deep(picture):
                raise InputError(f"{name}: has 32 bits a channel; save it with 8 or 16")
            Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined]
            with PICTURES.holding(width * height):
                yield picture, stream, cut_off, _orientation(picture)
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever comes to their mind when a file is damaged
        raise InputError(f"{name}: is damaged or truncated ({_reason(error)})") from error
    finally:
        if isinstance(file, str | Path):
            stream.close()


def _orientation(picture: ImageFile) -> int:
    if picture.format == "TIFF":
        value = getattr(picture, "tag_v2", {}).get(_ORIENTATION, 1)
        return value if value in _UPRIGHT else 1
    return exif_orientation(picture.info.get("exif") or b"")


def _to_rgb(picture: ImageFile, stream: BinaryIO) -> tuple[Image.Image, int | None]:
    if is_deep(picture):
        stream.seek(0)
        rgb, bits = deep_rgb(picture, stream.read())
        return Image.fromarray(rgb), bits
    if picture.has_transparency_data:
        return _over_white(picture), None
    return picture if picture.mode == "RGB" else picture.convert("RGB"), None


def _over_white(picture: ImageFile) -> Image.Image:
    """In bands: four bytes a pixel, and not eight, beside what the file's own mode takes."""
    canvas = Image.new("RGB", picture.size, "white")
    for top in range(0, picture.height, _BAND):
        band = picture.crop((0, top, picture.width, min(top + _BAND, picture.height))).convert("RGBA")
        canvas.paste(band, (0, top), mask=band)
    return canvas


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:100]
