"""Coverage-guided fuzzing of the readers of data files: whatever is in a file, they give crowds or an InputError.

    pip install atheris
    python tests/fuzz/fuzz_readers.py image -max_total_time=600 -rss_limit_mb=2048 -timeout=10

The first argument names the reader: image, mat, csv or json; the rest goes to libFuzzer. Seeds are made here.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np
import scipy.io
from PIL import Image

with atheris.instrument_imports(include=["countguard.data", "PIL"]):
    from countguard.data import images, matfile, point_tables
from countguard.errors import InputError

FOLDER = Path(tempfile.mkdtemp(prefix="countguard-fuzz-"))


def from_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of paths as a reader of bytes."""

    def read_bytes(content: bytes) -> object:
        path = FOLDER / "input"
        path.write_bytes(content)
        return read(path)

    return read_bytes


READERS: dict[str, Callable[[bytes], object]] = {
    "image": lambda content: images.read_image(io.BytesIO(content), max_pixels=1_000_000),
    "mat": from_file(matfile.read_head_points),
    "csv": from_file(point_tables.read_points_csv),
    "json": from_file(point_tables.read_points_json),
}


def seeds(kind: str) -> list[bytes]:
    """Good files of one kind."""
    if kind == "csv":
        return [b"image,x,y\na.jpg,1,2.5\nb.png,,\n"]
    if kind == "json":
        return [b'{"a.jpg": [[1, 2.5], [3e1, -4]], "b.png": []}']
    if kind == "image":
        return [content for mode in ("RGB", "L", "RGBA", "P", "CMYK", "I;16") for content in _pictures(mode)]
    truth = {"location": np.array([[1.5, 2.0], [3.0, 4.0]]), "number": 2}
    return [_mat(truth, compressed) for compressed in (False, True)]


def _pictures(mode: str) -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = []
    for kind, settings in (
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ):
        buffer = io.BytesIO()
        try:
            Image.new(mode, (16, 12)).save(buffer, kind, exif=exif, **settings)
        except OSError:  # not every format knows every mode
            continue
        contents.append(buffer.getvalue())
    return contents


def _mat(truth: dict[str, object], compressed: bool) -> bytes:
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = truth
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"image_info": cell}, do_compression=compressed)
    return buffer.getvalue()


def main() -> None:
    """Fuzzes one reader until libFuzzer's limits are reached or something other than InputError is raised."""
    kind = sys.argv.pop(1)
    corpus = FOLDER / "seeds"
    corpus.mkdir()
    for number, content in enumerate(seeds(kind)):
        (corpus / f"{number}").write_bytes(content)

    def once(content: bytes) -> None:
        try:
            READERS[kind](content)
        except InputError as error:
            if not str(error).isprintable():
                raise RuntimeError("an error of more than one line") from error

    atheris.Setup([*sys.argv, str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
