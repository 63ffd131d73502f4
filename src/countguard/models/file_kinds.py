"""What a file is that should hold weights, told by its first bytes, for an error that says how to go on."""

HDF5 = b"\x89HDF\r\n\x1a\n"
LONGEST = 512
"""First bytes that tell: a tar archive has its name in the first 512."""

_STARTS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((HDF5,), "is an HDF5 file"),
    ((b"version https://git-lfs",), "is a Git LFS pointer: fetch the file itself, with git lfs pull"),
    ((b"<!doctype", b"<html", b"<?xml", b"<head"), "is a web page: the download did not give the weights"),
    ((b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ"), "is an archive: unpack the weights in it"),
    ((b"MATLAB 5.0",), "is a MATLAB file: save its arrays from Python, as a dict of tensors by name"),
    ((b"\x93NUMPY",), "is one NumPy array; weights are many, by name"),
    ((b"%PDF-", b"\x89PNG", b"\xff\xd8\xff"), "is a document or a picture, and holds no weights"),
)
_BOM = b"\xef\xbb\xbf"
_TAR = slice(257, 262)


def kind_of_file(start: bytes) -> str | None:
    """What a file with these first bytes is, and the way out; None for one that may hold weights or is unknown.

    Args:
        start: the first `LONGEST` bytes, or all where there are fewer.
    """
    if not start:
        return "is empty: the download did not give the weights"
    told = start.removeprefix(_BOM).lstrip().lower()
    for starts, words in _STARTS:
        if any(start.startswith(known) or told.startswith(known) for known in starts):
            return words
    if start[_TAR] == b"ustar":
        return "is an archive: unpack the weights in it"
    if (text := _as_text(start)) is not None:
        return f"is a text file ({text}): the download did not give the weights"
    return None


def _as_text(start: bytes) -> str | None:
    """The first words of a text; None for bytes that are none."""
    try:
        text = start[:-3].decode() if len(start) == LONGEST else start.decode()  # a letter may be cut in two
    except UnicodeDecodeError:
        return None
    words = " ".join(text.removeprefix("\ufeff").split())
    return repr(words[:40]) if words.isprintable() else None
