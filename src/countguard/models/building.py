"""Counters by name: random, from public weights, or from a file."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from countguard.errors import InputError
from countguard.models.checkpoint import read_header
from countguard.models.counter import Counter
from countguard.models.layouts import find_layout
from countguard.models.registry import COUNTERS
from countguard.models.restore import construct, fill
from countguard.models.weights_file import open_weights

FRONT_END = "#frontend"
"""Behind a file's name: take its front end alone."""


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
    cls = COUNTERS.find(kind, Path.cwd())
    if weights is None:
        return construct(kind, settings, f"model {kind}")
    if weights in cls.pretrained:
        counter = construct(kind, settings, f"model {kind}")
        counter.load_pretrained(str(weights))
        return counter
    if not Path(weights).suffix and not Path(weights).exists():
        known = ", ".join(["null", *cls.pretrained, "a .safetensors file"])
        raise InputError(f"model.weights {str(weights)!r} is unknown to {kind}; there are {known}")
    return from_file(kind, weights, settings)


def from_file(
    kind: str, weights: str | PathLike[str], settings: Mapping[str, Any], *, front_end_will_do: bool = True
) -> Counter:
    """A counter from a safetensors file; see `build_counter`.

    Raises:
        InputError: the kind is unknown, or the file is not there, does not fit, or holds a front end alone where that
            will not do.
    """
    cls = COUNTERS.find(kind)
    path, front_end = Path(weights), False
    if not path.exists() and path.name.endswith(FRONT_END):
        path, front_end = path.with_name(path.name.removesuffix(FRONT_END)), True
    file = open_weights(path)
    header = read_header(file)
    if header is not None and not front_end:
        if header.kind != kind:
            raise InputError(f"{path}: holds a counter of kind {header.kind!r}, model.kind is {kind!r}")
        return fill(file, kind, {**header.settings, **settings})
    if cls.takes(file.shapes.keys()):
        if not front_end_will_do:
            raise InputError(
                f"{path}: holds the front end of a {kind} alone; name it as model.weights to train from it"
            )
        counter = construct(kind, settings, f"model {kind}")
        counter.load_public(file)
        return counter
    layout = find_layout(kind, file.shapes, front_end=front_end)
    if layout is None:
        part = "the front end of a" if front_end else "a"
        raise InputError(f"{path}: its tensors are named as in no layout known to hold {part} {kind}")
    if not layout.whole and not front_end_will_do:
        raise InputError(f"{path}: holds the front end of a {kind} alone; name it as model.weights to train from it")
    own_names = {name: layout.own_name(name) for name in file.shapes}
    names = {name: own for name, own in own_names.items() if own is not None}
    return fill(file, kind, {**layout.settings, **settings}, names=names, whole=layout.whole)
