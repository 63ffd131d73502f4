"""Checkpoints: one safetensors file that holds a counter, its kind and its settings."""

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, JsonValue, ValidationError
from safetensors.torch import save

from countguard.errors import InputError, RunError
from countguard.models.counter import Counter
from countguard.models.hub import Origin, fetched
from countguard.models.registry import COUNTERS, kind_of
from countguard.models.restore import fill
from countguard.models.weights_file import WeightsFile, open_weights
from countguard.settings import Settings, first_error
from countguard.writing import require_place, write_atomically

KEY = "countguard"
"""Where the header lies in a file's metadata: one entry, for safetensors writes several in a random order."""


class Header(Settings):
    """The header of a checkpoint.

    Attributes:
        version: of this format.
        kind: the counter's.
        settings: every argument of its constructor.
        recipe_hash: of the recipe that trained it, where there was one.
        origin: where the weights came from that it was made of, where that was a hub.
    """

    version: Literal[1] = 1
    kind: str = Field(max_length=300)
    settings: dict[str, JsonValue]
    recipe_hash: str | None = Field(default=None, max_length=128)
    origin: Origin | None = None


def save_counter(counter: Counter, path: str | PathLike[str], recipe_hash: str | None = None) -> None:
    """Writes a counter to one safetensors file, completely or not at all.

    Raises:
        InputError: the counter's kind is not registered, so it could not be built again.
        RunError: the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    kind = kind_of(counter)
    if kind is None:
        raise InputError(
            f"{path}: a counter of class {type(counter).__name__} cannot be built again from a file; register it "
            "(docs/extending.md)"
        )
    header = Header(kind=kind, settings=counter.settings(), recipe_hash=recipe_hash, origin=counter.origin)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in counter.state_dict().items()}
    try:
        write_atomically(path, save(tensors, metadata={KEY: header.model_dump_json(exclude_none=True)}))
    except OSError as error:
        raise RunError(f"{path}: the counter could not be saved ({error.strerror}); nothing was written") from None


def require_counter_place(path: Path, option: str, inputs: Iterable[Path] = ()) -> None:
    """Makes sure, before the work whose result it is to hold, that a counter can be written under a name.

    Raises:
        InputError: see `require_place`; or what is there is no counter, and so something that nobody meant to lose.
    """
    require_place(path, option, inputs=inputs)
    if not path.exists():
        return
    try:
        open_weights(path)
    except InputError:
        raise InputError(f"{path}: is there and holds no counter; {option} should name another file") from None


def load_counter(path: str | PathLike[str], device: str | torch.device = "cpu") -> Counter:
    """A counter from a file that `save_counter` wrote. Header and shapes are checked before memory is allocated.

    An ONNX file is a counter too; see `countguard.models.onnx_counter.load_onnx`.

    Raises:
        InputError: the file is missing, truncated, a pickle, or does not match its header.
        RunError: an ONNX file's graph fails.
    """
    file, origin = fetched(path)
    if file.suffix == ".onnx":
        from countguard.models.onnx_counter import load_onnx

        counter: Counter = load_onnx(file)
    else:
        counter = _load(file, os.fspath(path))
    counter.origin = origin or counter.origin
    return counter.to(device)


def _load(path: Path, given: str) -> Counter:
    """A counter from a checkpoint; `given` is what the user called it."""
    file = open_weights(path)
    header = read_header(file)
    if header is None:
        raise InputError(
            f"{given}: not a countguard checkpoint (its metadata has no {KEY!r}); "
            f"convert it with: countguard convert {given} --model KIND --out FILE.safetensors"
        )
    counter = fill(file, header.kind, header.settings)
    counter.origin = header.origin
    return counter


def read_header(file: WeightsFile) -> Header | None:
    """The header of a checkpoint; None for another safetensors file.

    Raises:
        InputError: the header is damaged, of a newer version, or of an unknown kind.
    """
    text = file.metadata.get(KEY)
    if text is None:
        return None
    try:
        header = Header.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{file.path}: metadata {KEY!r}: {first_error(error)}") from None
    try:
        COUNTERS.find(header.kind)
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from None
    return header


def recipe_hash_of(path: str | PathLike[str]) -> str | None:
    """The hash of the recipe that trained a checkpoint, from its header alone; None if it has none.

    Raises:
        InputError: the file is missing or damaged.
    """
    header = read_header(open_weights(fetched(path)[0]))
    return header.recipe_hash if header is not None else None
