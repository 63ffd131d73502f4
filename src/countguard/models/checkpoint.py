"""Counters on disk: one safetensors file that says which counter it holds and how it was built."""

import os
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, JsonValue, ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from countguard.errors import InputError, RunError
from countguard.models.counter import Counter
from countguard.models.layouts import find_layout
from countguard.models.registry import COUNTERS, counter_class
from countguard.models.weights_file import WeightsFile, open_weights, read_tensors
from countguard.settings import Settings

KEY = "countguard"
"""Where the header lies in a file's metadata: one entry, for safetensors writes several in a random order."""


class Header(Settings):
    """What a checkpoint says about its counter.

    Attributes:
        version: of this format.
        kind: the counter's.
        settings: every argument of its constructor.
        recipe_hash: of the recipe that trained it, where there was one.
    """

    version: Literal[1] = 1
    kind: str = Field(max_length=64)
    settings: dict[str, JsonValue]
    recipe_hash: str | None = Field(default=None, max_length=128)


def save_counter(counter: Counter, path: str | PathLike[str], recipe_hash: str | None = None) -> None:
    """Write a counter to one safetensors file, whole or not at all.

    Raises:
        InputError: the counter's kind is not registered, so that nobody could build it again.
        RunError: the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    if counter.kind not in COUNTERS:
        raise InputError(
            f"{path}: a counter of kind {counter.kind!r} cannot be built again from a file; register its class"
        )
    header = Header(kind=counter.kind, settings=counter.settings(), recipe_hash=recipe_hash)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in counter.state_dict().items()}
    unfinished = ""
    try:
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        save_file(tensors, unfinished, metadata={KEY: header.model_dump_json()})
        Path(unfinished).chmod(0o644)  # mkstemp's files are its owner's alone
        os.replace(unfinished, path)  # noqa: PTH105
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: the counter could not be saved ({error}); nothing was written") from None
    finally:
        Path(unfinished).unlink(missing_ok=True) if unfinished else None


def load_counter(path: str | PathLike[str], device: str | torch.device = "cpu") -> Counter:
    """A counter from a file that `save_counter` wrote, its header and shapes checked before memory is taken.

    Raises:
        InputError: the file is missing, cut off, a pickle, or does not hold what its header says.
    """
    file = open_weights(path)
    header = read_header(file)
    if header is None:
        raise InputError(
            f"{path}: not a countguard checkpoint (its metadata has no {KEY!r}); "
            f"convert it with: countguard convert {path} --model KIND --out FILE.safetensors"
        )
    return _filled(file, header.kind, header.settings, whole=True).to(device)


def read_header(file: WeightsFile) -> Header | None:
    """What a checkpoint says about its counter; None for a safetensors file of somebody else's.

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
    if header.kind not in COUNTERS:
        raise InputError(f"{file.path}: kind {header.kind!r} is unknown; there are {', '.join(sorted(COUNTERS))}")
    return header


def build_counter(kind: str, *, weights: str | PathLike[str] | None = None, **settings: Any) -> Counter:
    """A counter of one kind.

    Args:
        kind: one of `COUNTERS`.
        weights: None for random ones, drawn from torch's generator (fork and seed it around the call); a name that
            the kind knows, such as "imagenet" or "openai"; or a safetensors file: a checkpoint, a key layout of
            `countguard.models.layouts`, or `FILE#frontend` for the front end of either alone.
        settings: arguments of the kind's constructor. Those given win over a file's, a file's over the defaults.

    Raises:
        InputError: an unknown kind or setting, or weights that are not there or do not fit.
    """
    cls = counter_class(kind)
    if weights is None:
        return construct(kind, settings, f"model {kind}")
    if weights in cls.pretrained:
        counter = construct(kind, settings, f"model {kind}")
        counter.load_pretrained(str(weights))
        return counter
    if not Path(weights).suffix and not Path(weights).exists():
        known = ", ".join(["null", *cls.pretrained, "a .safetensors file"])
        raise InputError(f"model.weights {str(weights)!r} is unknown to {kind}; there are {known}")
    return _from_file(kind, weights, settings)


def construct(kind: str, settings: Mapping[str, Any], where: str) -> Counter:
    """A counter with random weights; `where` opens the line about settings that are wrong.

    Raises:
        InputError: a setting is unknown or out of its range.
    """
    try:
        return counter_class(kind)(**settings)
    except ValidationError as error:
        raise InputError(f"{where}: {first_error(error)}") from None


def first_error(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, in one line that names the field."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field or 'the whole'}: {first['msg']}; got {str(first['input'])[:80]!r}"


def _from_file(kind: str, weights: str | PathLike[str], settings: Mapping[str, Any]) -> Counter:
    path, front_end = Path(weights), False
    if not path.exists() and str(path).endswith("#frontend"):
        path, front_end = Path(str(path).removesuffix("#frontend")), True
    file = open_weights(path)
    header = read_header(file)
    if header is not None and not front_end:
        if header.kind != kind:
            raise InputError(f"{path}: holds a counter of kind {header.kind!r}, model.kind is {kind!r}")
        return _filled(file, kind, {**header.settings, **settings}, whole=True)
    layout = find_layout(kind, file.shapes, front_end=front_end)
    if layout is None:
        part = "the front end of a" if front_end else "a"
        raise InputError(f"{path}: its tensors are named as those of no layout known to hold {part} {kind}")
    own_names = {name: layout.own_name(name) for name in file.shapes}
    names = {name: own for name, own in own_names.items() if own is not None}
    return _filled(file, kind, {**layout.settings, **settings}, names=names, whole=layout.whole)


def _filled(
    file: WeightsFile,
    kind: str,
    settings: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    whole: bool,
) -> Counter:
    names = names if names is not None else {name: name for name in file.shapes}
    with torch.device("meta"):  # shapes alone: no memory is taken for what a stranger's header asks for
        expected = construct(kind, settings, str(file.path)).state_dict()
    _check_names(file.path, set(names.values()), expected, whole=whole)
    tensors = read_tensors(file, names, expected)
    if not whole:
        counter = construct(kind, settings, str(file.path))
    else:
        with torch.random.fork_rng(devices=[]):  # the random start is overwritten: it must cost the caller no draws
            counter = construct(kind, settings, str(file.path))
    counter.load_state_dict(tensors, strict=whole)
    return counter


def _check_names(path: Path, held: set[str], expected: Mapping[str, Tensor], *, whole: bool) -> None:
    if unknown := sorted(held - expected.keys()):
        raise InputError(f"{path}: holds {unknown[0]!r}, which the counter does not have ({len(unknown)} such tensors)")
    if whole and (missing := sorted(expected.keys() - held)):
        raise InputError(f"{path}: {missing[0]!r} is missing ({len(missing)} such tensors)")


def recipe_hash_of(path: str | PathLike[str]) -> str | None:
    """The hash of the recipe that trained a checkpoint, from its header alone; None where it names none.

    Raises:
        InputError: the file is missing or damaged.
    """
    header = read_header(open_weights(path))
    return header.recipe_hash if header is not None else None
