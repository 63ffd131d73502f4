"""What a file is that should hold weights, told by its first bytes, for an error that says how to go on."""

HDF5 = b"\x89HDF\r\n\x1a\n"

_STARTS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((HDF5,), "is an HDF5 file"),
    ((b"version https://git-lfs",), "is a Git LFS pointer: fetch the file itself, with git lfs pull"),
    ((b"<!doctype", b"<html", b"<?xml", b"<head"), "is a web page: the download did not give the weights"),
    ((b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ"), "is an archive: unpack the weights in it"),
    ((b"MATLAB 5.0",), "is a MATLAB file: save its arrays from Python, as a dict of tensors by name"),
)


def kind_of_file(start: bytes) -> str | None:
    """What a file with these first bytes is, and the way out; None for one that may hold weights or is unknown.

    Args:
        start: at least the first 64 bytes, where there are as many.
    """
    told = start.lstrip().lower() if start[:1] != b"\x89" else start
    for starts, words in _STARTS:
        if any(start.startswith(known) or told.startswith(known) for known in starts):
            return words
    return None
