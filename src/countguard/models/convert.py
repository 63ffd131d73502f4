"""Other people's weights to a countguard checkpoint; pickles are opened in a process of their own."""

import subprocess
import sys
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from countguard.errors import InputError
from countguard.models.building import from_file
from countguard.models.checkpoint import require_counter_place, save_counter
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.weights_file import is_pickle

SECONDS = 120
"""How long a pickle may take to open."""
LARGEST = 4 << 30
"""Bytes; larger pickles are not opened."""


def convert(
    weights: str | PathLike[str],
    kind: str,
    out: str | PathLike[str],
    *,
    mean: Mean | None = None,
    std: Std | None = None,
    output_scale: OutputScale | None = None,
) -> Counter:
    """Write a countguard checkpoint of somebody else's weights, and return its counter.

    Args:
        weights: a safetensors file, or what `torch.save` wrote: that is a pickle, which is read with
            `weights_only=True` by a process with limits on memory and time.
        kind: one of `COUNTERS`.
        out: the checkpoint.
        mean, std, output_scale: what the weights were trained with; by default what their key layout is known for.

    Raises:
        InputError: the weights cannot be read, or are not those of such a counter, or `out` cannot be written.
        RunError: the checkpoint cannot be written.
    """
    weights = Path(weights)
    require_counter_place(Path(out), "--out", [weights])
    given = {"mean": mean, "std": std, "output_scale": output_scale}
    settings = {name: value for name, value in given.items() if value is not None}
    if weights.is_file() and is_pickle(weights):
        counter = _from_pickle(weights, kind, settings)
    else:
        counter = from_file(kind, weights, settings, front_end_will_do=False)
    save_counter(counter, out)
    return counter


def _from_pickle(weights: Path, kind: str, settings: dict[str, Any]) -> Counter:
    if weights.stat().st_size > LARGEST:
        raise InputError(f"{weights}: has {weights.stat().st_size} bytes; pickles up to {LARGEST} are converted")
    with tempfile.TemporaryDirectory() as folder:
        tensors = Path(folder) / "tensors.safetensors"
        # -P: nothing is imported from the folder that countguard was started in, which may be the stranger's
        command = [sys.executable, "-P", "-m", "countguard.models.unpickle", str(weights.resolve()), str(tensors)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(f"{weights}: took more than {SECONDS} seconds to open; it was given up") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            reason = said[-1][:300] if said and done.returncode == 2 else f"the reader ended with {done.returncode}"
            raise InputError(f"{weights}: cannot be converted: {reason}")
        try:
            return from_file(kind, tensors, settings, front_end_will_do=False)
        except InputError as error:
            raise InputError(str(error).replace(str(tensors), str(weights))) from None
