"""Other people's weights to a countguard checkpoint; pickles are opened in a process of their own."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.building import from_file, nearest
from countguard.models.checkpoint import require_counter_place, save_counter
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.hub import fetched
from countguard.models.layouts import find_kinds
from countguard.models.trial import decide_by_counts
from countguard.models.weights_file import is_hdf5, is_pickle, open_weights
from countguard.signals import tidy_when_terminated

SECONDS = 120
"""How long a pickle may take to open."""
LARGEST = 4 << 30
"""Bytes; larger pickles are not opened."""

_log = logging.getLogger(__name__)


def convert(
    weights: str | PathLike[str],
    kind: str | None,
    out: str | PathLike[str],
    *,
    mean: Mean | None = None,
    std: Std | None = None,
    output_scale: OutputScale | None = None,
    convention: str | None = None,
    check: Sequence[Crowd] | None = None,
    say: Callable[[str], None] = _log.warning,
    **settings: Any,
) -> Counter:
    """Write a countguard checkpoint of somebody else's weights, and return its counter.

    Args:
        weights: a safetensors file; or what `torch.save` or h5py wrote, which is read by a process with limits on
            memory and time, a pickle with `weights_only=True`; or an ONNX file, which is copied to `out` where that is
            another file, and what it does not say of itself is kept beside it.
        kind: one of `COUNTERS`; None where the names of the tensors tell.
        out: the checkpoint.
        mean, std, output_scale: what the weights were trained with; by default what their key layout is known for.
        convention: whose code trained them, where their layout does not tell: "leeyeehoo", "commissarma", "c3f-shhb".
        check: a few crowds, by whose counts the convention is found out where it is not named.
        say: takes a line on whatever was found out, assumed or left out.
        settings: further arguments of the counter's constructor; of an ONNX file, see `OnnxSettings`.

    Raises:
        InputError: the weights cannot be read, are not those of such a counter, or do not say what they mean.
        RunError: the checkpoint cannot be written.
    """
    weights, origin = fetched(weights)
    given = {"mean": mean, "std": std, "output_scale": output_scale}
    settings |= {name: value for name, value in given.items() if value is not None}
    decide = partial(decide_by_counts, check, where=str(weights), say=say) if check is not None else None
    if weights.suffix == ".onnx":
        from countguard.models.onnx_describe import describe_onnx
        from countguard.models.onnx_file import open_onnx

        if kind not in (None, "onnx"):
            open_onnx(weights)  # says what is wrong with a file that is none
            raise InputError(f"{weights}: an ONNX file is a counter of no kind of ours; leave out --model {kind}")
        return describe_onnx(weights, Path(out), settings, convention=convention, decide=decide, say=say)
    require_counter_place(Path(out), "--out", [weights])
    with tidy_when_terminated(), tempfile.TemporaryDirectory() as folder:
        bare = weights
        if weights.is_file() and (is_pickle(weights) or is_hdf5(weights)):
            bare = Path(folder) / "tensors.safetensors"
            _open_elsewhere(weights, bare)
        said = _Renamed(bare, weights, say)
        try:
            counter = from_file(
                _told_by_names(bare) if kind is None else kind,
                bare,
                settings,
                front_end_will_do=False,
                convention=convention,
                decide=decide,
                say=said,
            )
        except InputError as error:
            raise InputError(said.renamed(str(error))) from None
    counter.origin = origin or counter.origin
    save_counter(counter, out)
    return counter


class _Renamed:
    """Says lines on a file under the name that the user gave it."""

    def __init__(self, file: Path, name: Path, say: Callable[[str], None]) -> None:
        self.file, self.name, self.say = str(file), str(name), say

    def __call__(self, line: str) -> None:
        self.say(self.renamed(line))

    def renamed(self, line: str) -> str:
        return line.replace(self.file, self.name)


def _told_by_names(weights: Path) -> str:
    """The kind of counter whose tensors a file holds.

    Raises:
        InputError: no layout, or several, fit.
    """
    file = open_weights(weights)
    kinds = [kind for found in find_kinds(file.shapes) for kind in found.layout.kinds]
    if len(kinds) != 1:
        problem = f"fit {' and '.join(kinds)}" if kinds else "are named as in no layout known here"
        near = "" if kinds else nearest(file)
        raise InputError(f"{weights}: its tensors {problem}{near}; name the kind of counter: --model KIND")
    return kinds[0]


def _open_elsewhere(weights: Path, tensors: Path) -> None:
    """Lets a process of its own write what a pickle or an HDF5 file holds to a safetensors file.

    Raises:
        InputError: it cannot be read, or not within the limits.
    """
    if weights.stat().st_size > LARGEST:
        raise InputError(f"{weights}: has {weights.stat().st_size} bytes; files up to {LARGEST} are converted")
    # -P: nothing is imported from the folder that countguard was started in, which may be the stranger's
    command = [sys.executable, "-P", "-m", "countguard.models.unpickle", str(weights.resolve()), str(tensors)]
    command.append(str(os.getpid()))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{weights}: took more than {SECONDS} seconds to open; it was given up") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        reason = said[-1][:300] if said and done.returncode == 2 else f"the reader ended with {done.returncode}"
        raise InputError(f"{weights}: cannot be converted: {reason}")
