"""Weights from strangers: a safetensors header is checked before memory is taken, a pickle is never opened."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from countguard.errors import InputError
from countguard.models.file_kinds import HDF5, LONGEST, kind_of_file

HEADER_LIMIT = 1 << 20
"""Bytes; the largest kind's header takes 60 KiB."""
FLOATS = ("F16", "BF16", "F32", "F64")


@dataclass(frozen=True)
class WeightsFile:
    """What a safetensors file says about itself.

    Attributes:
        path: where it lies.
        metadata: free text from whoever wrote it.
        shapes: of each tensor, by name.
        dtypes: of each tensor, as safetensors writes them (F32, I64, ...).
    """

    path: Path
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]


def open_weights(path: str | PathLike[str]) -> WeightsFile:
    """Read the header of a safetensors file, and nothing else.

    Raises:
        InputError: the file is missing, a pickle, cut off, or no safetensors file.
    """
    path = Path(path)
    _check_start(path)
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  safe_open is no mapping
            return WeightsFile(
                path,
                file.metadata() or {},
                {name: tuple(part.get_shape()) for name, part in slices.items()},
                {name: part.get_dtype() for name, part in slices.items()},
            )
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({_one_line(error)})") from None


def read_tensors(file: WeightsFile, names: Mapping[str, str], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file under a counter's names, checked against its own before any is read.

    Args:
        file: from `open_weights`.
        names: from the file's names to the counter's; what is not named stays unread.
        expected: the counter's tensors by name; only shapes and dtypes are looked at, so that "meta" tensors do.

    Raises:
        InputError: a tensor has another shape or type, or values that are no numbers.
    """
    for name, own in names.items():
        wanted = tuple(expected[own].shape)
        if file.shapes[name] != wanted:
            raise InputError(
                f"{file.path}: {name} has shape {str(list(file.shapes[name]))[:80]}, the counter needs {list(wanted)}"
            )
        if (file.dtypes[name] in FLOATS) != expected[own].is_floating_point():
            raise InputError(f"{file.path}: {name} is {file.dtypes[name]}, the counter needs {expected[own].dtype}")
    tensors = {}
    try:
        with safe_open(file.path, framework="pt") as handle:
            for name, own in names.items():
                tensor = handle.get_tensor(name).to(expected[own].dtype)
                if not torch.isfinite(tensor).all():
                    raise InputError(f"{file.path}: {name} holds values that are no finite numbers")
                tensors[own] = tensor
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file.path}: not a whole safetensors file ({_one_line(error)})") from None
    return tensors


def read_tensor(file: WeightsFile, name: str) -> Tensor:
    """One tensor of a file as it is.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with safe_open(file.path, framework="pt") as handle:
            tensor: Tensor = handle.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file.path}: not a whole safetensors file ({_one_line(error)})") from None
    return tensor


def is_pickle(path: Path) -> bool:
    """Whether a file starts as `torch.save` starts one: a zip archive or a bare pickle."""
    start = _start(path)
    return start[:4] == b"PK\x03\x04" or (start[:1] == b"\x80" and start[8:9] != b"{")


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 does."""
    return _start(path).startswith(HDF5)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST)


def _check_start(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; weights are a .safetensors file")
    if path.suffix == ".onnx":
        raise InputError(f"{path}: an ONNX file counts, but its weights cannot be taken out of it to train from")
    way = f"convert it with: countguard convert {path} --model KIND --out FILE.safetensors"
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path}: its name is no UTF-8, so that safetensors cannot open it; rename it") from None
    try:
        start = _start(path)
        if is_pickle(path):
            raise InputError(f"{path} is a pickle, which can run code when opened; {way}")
        if kind := kind_of_file(start):
            raise InputError(f"{path} {kind}" + (f"; {way}" if is_hdf5(path) else ""))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    size = path.stat().st_size
    header = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else size
    if header > size - 8:
        raise InputError(
            f"{path}: not a whole safetensors file (its header asks for more than the {size} bytes there are)"
        )
    if header > HEADER_LIMIT:
        raise InputError(f"{path}: its header takes {header} bytes; at most {HEADER_LIMIT} are read")


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
