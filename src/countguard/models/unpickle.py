"""Opens a pickle: python -m countguard.models.unpickle PICKLE OUT writes its tensors bare, or says why not.

Started by `convert` alone. Nothing that it reads is trusted: `weights_only=True` calls no code of the pickle's
choosing, and limits on memory and time hold should that fail.
"""

import re
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import save_file
from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "params")
"""Names under which training code keeps the weights beside its other state."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and LightningModule put before every name."""
ROOM = 1 << 30
"""Bytes that reading takes beside four times the file."""
SECONDS = 100
"""Of processor time."""


def tensors_of(loaded: object) -> dict[str, Tensor]:
    """The tensors of a state dict, out of the usual wrappers and prefixes.

    Raises:
        ValueError: it holds none.
    """
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping):
        raise ValueError(f"it holds a {type(loaded).__name__}, not a dict of tensors")
    tensors = {name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise ValueError("it holds no tensors")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def main(pickle: Path, out: Path) -> None:
    """Read one pickle and write its tensors; ends the process with 2 and a line on stderr where it cannot."""
    _limit(4 * pickle.stat().st_size + ROOM)
    try:
        loaded = torch.load(pickle, map_location="cpu", weights_only=True)
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in tensors_of(loaded).items()}
        save_file(tensors, out)
    except MemoryError:
        sys.exit(_refuse("it asks for more memory than its size allows"))
    except Exception as error:  # whatever a hostile file provokes, the caller gets one line
        sys.exit(_refuse(_reason(error)))


def _limit(memory: int) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reason(error: Exception) -> str:
    text = str(error)
    if found := re.search(r"GLOBAL ([\w.]+)", text):
        return f"it holds objects other than tensors ({found[1]})"
    if isinstance(error, UnpicklingError):  # torch's own words advise to run the file's code
        return "it is damaged, or not as torch.save writes it"
    if "can't allocate memory" in text or "Cannot allocate memory" in text:
        return "it asks for more memory than its size allows"
    return text.splitlines()[0] if text else type(error).__name__


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
