"""Counters from untrusted settings and tensors, checked before memory is allocated."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.registry import COUNTERS
from countguard.models.weights_file import WeightsFile, read_tensors
from countguard.settings import first_error


def construct(kind: str, settings: Mapping[str, Any], where: str) -> Counter:
    """A counter with random weights; `where` is the beginning of the line about wrong settings.

    Raises:
        InputError: the kind or a setting is unknown, or a setting is out of its range.
    """
    try:
        return COUNTERS.find(kind)(**settings)
    except ValidationError as error:
        raise InputError(f"{where}: {first_error(error)}") from None


def fill(
    file: WeightsFile,
    kind: str,
    settings: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    whole: bool = True,
    elsewhere: Collection[str] = (),
) -> Counter:
    """A counter with the tensors of a file.

    Args:
        file: from `open_weights`.
        kind: the counter's.
        settings: arguments of its constructor.
        names: from the file's names to the counter's; None if they are equal.
        whole: the file must hold all of the counter's tensors; otherwise the rest keeps its random start.
        elsewhere: tensors that the caller fills from something else.

    Raises:
        InputError: settings, names, shapes or values do not fit.
    """
    names = names if names is not None else {name: name for name in file.shapes}
    with torch.device("meta"):  # shapes alone: no memory is taken for what a stranger's header asks for
        expected = construct(kind, settings, str(file.path)).state_dict()
    check_names(file.path, {*names.values(), *elsewhere}, expected, whole=whole)
    tensors = read_tensors(file, names, expected)
    if whole:
        with torch.random.fork_rng(devices=[]):  # the random start is overwritten: it must cost the caller no draws
            counter = construct(kind, settings, str(file.path))
    else:
        counter = construct(kind, settings, str(file.path))
    counter.load_state_dict(tensors, strict=False)  # the names are checked
    return counter


def check_names(path: Path, held: set[str], expected: Mapping[str, Tensor], *, whole: bool) -> None:
    """Check the tensors that a file holds, under the counter's names, against those that the counter has.

    Raises:
        InputError: one is unknown or, where the file must be whole, missing.
    """
    if unknown := sorted(held - expected.keys()):
        raise InputError(
            f"{path}: holds {unknown[0][:80]!r}, which the counter does not have ({len(unknown)} such tensors)"
        )
    counters = {name for name in expected if name.endswith("num_batches_tracked")}  # old files have none
    if whole and (missing := sorted(expected.keys() - held - counters)):
        raise InputError(f"{path}: {missing[0]!r} is missing ({len(missing)} such tensors)")
