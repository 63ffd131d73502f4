import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from countguard.data.images import MAX_PIXELS, image_size, list_images, read_image
from countguard.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
GRAY = NOISE[..., 0]
UPRIGHT = torch.from_numpy(NOISE).permute(2, 0, 1)
UPRIGHT_GRAY = torch.from_numpy(GRAY).expand(3, -1, -1)
TURNED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}
"""How a camera held so that EXIF says 1 to 8 stores the upright picture."""


def _saved(path: Path, image: Image.Image, **settings: Any) -> Path:
    image.save(path, **settings)
    return path


def _sixteen_bit_rgb(pixels: np.ndarray) -> bytes:
    """Pillow writes no such PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = pixels.shape
    rows = (pixels.astype(">u2") * 257).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_lossless_picture_keeps_every_pixel(tmp_path: Path, suffix: str) -> None:
    settings = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    image = read_image(_saved(tmp_path / f"crowd{suffix}", Image.fromarray(NOISE), **settings))
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert torch.equal(image, UPRIGHT)


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path: Path) -> None:
    path = _saved(tmp_path / "crowd.jpg", Image.fromarray(NOISE), quality=90)
    assert torch.equal(read_image(path), torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1))


@pytest.mark.parametrize(
    "twin",
    [
        Image.fromarray(NOISE).convert("RGBA"),
        Image.fromarray(NOISE, "RGB"),
    ],
    ids=["RGBA", "RGB"],
)
def test_coloured_twins_read_alike(tmp_path: Path, twin: Image.Image) -> None:
    assert torch.equal(read_image(_saved(tmp_path / "twin.png", twin)), UPRIGHT)


@pytest.mark.parametrize(
    "twin",
    [
        Image.fromarray(GRAY),
        Image.fromarray(GRAY).convert("LA"),
        Image.fromarray(GRAY).convert("P"),
        Image.fromarray(GRAY.astype(np.uint16) * 257),
        Image.fromarray(GRAY).convert("RGBA"),
    ],
    ids=["L", "LA", "P", "I;16", "RGBA"],
)
def test_gray_twins_read_alike(tmp_path: Path, twin: Image.Image) -> None:
    assert torch.equal(read_image(_saved(tmp_path / "twin.png", twin)), UPRIGHT_GRAY)


def test_sixteen_bits_a_channel_read_as_eight(tmp_path: Path) -> None:
    (tmp_path / "deep.png").write_bytes(_sixteen_bit_rgb(NOISE))
    assert torch.equal(read_image(tmp_path / "deep.png"), UPRIGHT)


def test_bilevel_and_cmyk_pictures_become_rgb(tmp_path: Path) -> None:
    bilevel = read_image(_saved(tmp_path / "fax.png", Image.fromarray(GRAY > 127)))
    assert torch.equal(bilevel, (UPRIGHT_GRAY > 127).to(torch.uint8) * 255)
    red = Image.new("CMYK", (40, 30), (0, 255, 255, 0))
    assert read_image(_saved(tmp_path / "print.jpg", red)).float().mean(dim=(1, 2)).tolist() == pytest.approx(
        [254, 0, 0], abs=3
    )


def test_what_is_transparent_lies_over_white(tmp_path: Path) -> None:
    layer = np.dstack([NOISE, np.full_like(GRAY, 255)])
    layer[:10, :, 3] = 0
    layer[10, :, 3] = 128
    image = read_image(_saved(tmp_path / "layer.png", Image.fromarray(layer)))
    assert (image[:, :10] == 255).all()
    assert torch.equal(image[:, 11:], UPRIGHT[:, 11:])
    half = UPRIGHT[:, 10].float() * 128 / 255 + 127
    assert (image[:, 10].float() - half).abs().max() <= 1


def test_a_transparent_palette_colour_lies_over_white(tmp_path: Path) -> None:
    dots = Image.fromarray((GRAY > 127).astype(np.uint8)).convert("P")
    dots.putpalette([10, 20, 30, 200, 100, 50])
    image = read_image(_saved(tmp_path / "dots.png", dots, transparency=0))
    expected = torch.where(UPRIGHT_GRAY > 127, torch.tensor([[[200]], [[100]], [[50]]]), 255)
    assert torch.equal(image, expected.to(torch.uint8))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    blocks = Image.fromarray(np.kron(NOISE[:3, :4], np.ones((16, 16, 1), dtype=np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless: dict[str, dict[str, Any]] = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}
    path = _saved(tmp_path / f"camera{suffix}", TURNED[orientation](blocks), exif=exif, **lossless.get(suffix, {}))
    image = read_image(path)
    assert image_size(path) == tuple(image.shape[1:]) == (48, 64)
    expected = torch.from_numpy(np.array(blocks)).permute(2, 0, 1)
    assert (image.int() - expected.int()).abs().max() <= 4


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(30)],
)
def test_damaged_exif_leaves_a_picture_as_it_is(tmp_path: Path, exif: bytes) -> None:
    assert torch.equal(read_image(_saved(tmp_path / "crowd.png", Image.fromarray(NOISE), exif=exif)), UPRIGHT)


def test_a_stream_is_read_and_named() -> None:
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, "PNG")
    assert torch.equal(read_image(buffer), UPRIGHT)
    with pytest.raises(InputError, match=r"^upload\.png: is not a JPEG"):
        read_image(io.BytesIO(b"text"), name="upload.png")


def test_a_limit_on_pixels_can_be_lower(tmp_path: Path) -> None:
    path = _saved(tmp_path / "crowd.png", Image.fromarray(NOISE))
    assert read_image(path, max_pixels=34 * 21).shape == (3, 21, 34)
    with pytest.raises(InputError, match="at most 713"):
        read_image(path, max_pixels=34 * 21 - 1)
    assert MAX_PIXELS > 19_044 * 4_028  # NWPU-Crowd's largest picture


def test_a_size_comes_from_the_header_unless_the_file_looks_cut_off(tmp_path: Path) -> None:
    path = _saved(tmp_path / "crowd.jpg", Image.fromarray(NOISE))
    content = path.read_bytes()
    path.write_bytes(content + bytes(100))  # cameras append things; the picture is whole
    assert image_size(path) == (21, 34)
    path.write_bytes(content[:-40])
    with pytest.raises(InputError, match=r"crowd\.jpg: is damaged or truncated"):
        image_size(path)


def test_pictures_are_listed_in_natural_order(tmp_path: Path) -> None:
    for name in ["IMG_10.jpg", "IMG_2.JPG", "IMG_1.webp", "IMG_1-minus.png", "notes.txt", "._IMG_1.jpg", "b.jpeg"]:
        (tmp_path / name).touch()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["IMG_1-minus.png", "IMG_1.webp", "IMG_2.JPG", "IMG_10.jpg", "b.jpeg"]


SEEDS = [
    b"",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"RIFF\x40\0\0\0WEBPVP8X",
    b"RIFF\x40\0\0\0WEBPVP8 ",
]


@given(start=st.sampled_from(SEEDS), rest=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused_in_one_line(start: bytes, rest: bytes) -> None:
    with pytest.raises(InputError):
        read_image(io.BytesIO(start + rest))


@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP"]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_changed_file_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    change = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(change, max_size=8)):
        content[place] = value
    try:
        image = read_image(io.BytesIO(bytes(content)))
    except InputError:
        return
    assert image.dtype == torch.uint8
    assert image.shape[0] == 3
