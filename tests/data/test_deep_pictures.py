"""Pictures of 16 bits look alike whatever number of bits they use."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from countguard.data.deep_pictures import DEPTHS, used_bits
from countguard.data.images import read_image, read_with_depth

GRAY = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint16)
GRAY[0, 0] = 255


def deep_png(values: NDArray[np.uint16], colour: int, *extra: tuple[bytes, bytes]) -> io.BytesIO:
    """A PNG of 16 bits a channel: values [H, W, channels] of a colour type of PNG."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def deep_tiff(values: NDArray[np.uint16], order: str) -> io.BytesIO:
    """An RGB TIFF of 16 bits a channel, not compressed, in either order of bytes."""
    height, width, channels = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    place = 8 + 2 + 12 * 9 + 4
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, place),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, place + 2 * channels),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(pixels)),
    ]
    directory = b""
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        directory += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    return io.BytesIO(start + directory + struct.pack(f"{order}I", 0) + bits + pixels)


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_png_is_scaled_by_the_bits_it_uses(bits: int, colour: int, channels: int) -> None:
    values = np.repeat(GRAY[..., None] << (bits - 8), channels, axis=2)
    if channels in (2, 4):
        values[..., -1] = 65535
    image, used = read_with_depth(deep_png(values, colour), name="deep.png")
    assert used == bits
    assert all((band.numpy() == GRAY).all() for band in image)


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_colours_is_scaled_by_the_bits_it_uses(bits: int, order: str) -> None:
    values = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=2) << (bits - 8)
    image, used = read_with_depth(deep_tiff(values, order), name="deep.tif")
    assert used == bits
    assert (image.permute(1, 2, 0).numpy() == values >> (bits - 8)).all()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate"])
def test_a_gray_tiff_is_scaled_too(compression: str | None) -> None:
    buffer = io.BytesIO()
    Image.fromarray(GRAY << 2).save(buffer, "TIFF", compression=compression)
    image, used = read_with_depth(buffer, name="deep.tif")
    assert (used, bool((image[0].numpy() == GRAY).all())) == (10, True)


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize(("colour", "channels"), [(4, 2), (6, 4)])
def test_what_is_opaque_in_the_pictures_own_bits_is_not_seen_through(bits: int, colour: int, channels: int) -> None:
    values = np.repeat(GRAY[..., None] << (bits - 8), channels, axis=2)
    values[..., -1] = (1 << bits) - 1
    assert all((band.numpy() == GRAY).all() for band in read_image(deep_png(values, colour), name="deep.png"))


def test_what_is_transparent_lies_over_white() -> None:
    values = GRAY[..., None] << 4
    clear = int(values[3, 4, 0])
    image = read_image(deep_png(values, 0, (b"tRNS", struct.pack(">H", clear))), name="clear.png")
    white = (values[..., 0] == clear) | (GRAY == 255)
    assert ((image[0].numpy() == 255) == white).all()
    half = np.dstack([np.repeat(values, 3, axis=2), np.full(GRAY.shape, 32768, dtype=np.uint16)])
    mixed = read_image(deep_png(half, 6), name="half.png")[0].numpy()
    assert np.abs(mixed - (GRAY / 2 + 127.5)).max() <= 1


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_bits_hold_every_value_and_are_as_few_as_cameras_use(one: int, other: int) -> None:
    bits = used_bits(np.array([one, other], dtype=np.uint16))
    assert max(one, other) < 1 << bits
    assert bits == 8 or max(one, other) >= 1 << DEPTHS[DEPTHS.index(bits) - 1]
