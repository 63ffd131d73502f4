"""Opens weights in a process of its own: python -m countguard.models.unpickle FILE OUT PARENT writes its tensors bare.

Started by `convert` alone. Nothing that it reads is trusted: `weights_only=True` calls no code of the pickle's
choosing, and limits on memory and time hold should that fail. HDF5 files are opened here for the same reason.
"""

import ctypes
import json
import os
import re
import resource
import signal
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from countguard.errors import one_line
from countguard.models.file_kinds import HDF5
from countguard.models.hdf5_weights import read_hdf5

CONFIG = "config"
"""Name, in a pickle and in the metadata of what is written, of the settings that a trainer kept beside the weights."""
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "params", "weights", "network", "module", "model_state")
"""Names under which training code keeps the weights beside its other state."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and LightningModule put before every name."""
ROOM = 1 << 30
"""Bytes that reading takes beside four times the file."""
_PR_SET_PDEATHSIG = 1
SECONDS = 100
"""Of processor time."""
LONGEST, DEEPEST = 60, 3
"""Entries of each list, and lists in lists, that are kept of a trainer's settings."""
MOST_CLASSES = 200
"""Classes of other projects that one pickle may name."""

HARMLESS = ("argparse.Namespace", "types.SimpleNamespace", "functools.partial", "copyreg._reconstructor")
"""What of Python's own library checkpoints hold beside tensors; see `StandIn`."""
BUILTIN_TYPES = ("list", "dict", "int", "float", "str", "bool", "tuple", "bytes")
"""What a `defaultdict` makes its values with; only a stand-in is called."""
HARMLESS_MODULES = ("pathlib", "datetime", "decimal", "fractions", "uuid")
MOST_LOOKED_AT = 10_000
"""Entries, lists in lists among them, in which tensors are looked for."""


class StandIn:
    """What stands for every object that is no tensor, such as a NumPy scalar or an `argparse.Namespace`.

    It has their names in the pickle and nothing of their code: it takes any arguments and keeps what it is built from.
    """

    def __new__(cls, *args: object, **kwargs: object) -> "StandIn":
        """Takes whatever the pickle gives to the class that it names."""
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def _mapping(*args: object) -> OrderedDict[object, object]:
    """Stands for `collections.defaultdict`; torch's reader fills no other mapping."""
    return OrderedDict()


def _list(*args: object) -> list[object]:
    """Stands for `collections.deque`, which is written as one that is empty and is then filled."""
    return []


CONTAINERS = {"collections.defaultdict": _mapping, "collections.deque": _list}


def tensors_of(loaded: object) -> dict[str, Tensor]:
    """The tensors of a state dict, out of the usual wrappers and prefixes, or of a whole network that was pickled.

    Raises:
        ValueError: it holds none, or several under names that do not tell which are the weights.
    """
    loaded = _only(_unwrapped(loaded))
    if isinstance(loaded, StandIn):
        loaded = _of_network(loaded)
    tensors = _named_tensors(loaded)
    if not tensors:
        held = one_line(", ".join(sorted(map(str, loaded)))[:120]) if isinstance(loaded, Mapping) else ""
        raise ValueError(
            f"it holds a {type(loaded).__name__} without tensors by name"
            + (f"; its entries are {held}" if held else "")
        )
    return without_prefixes(tensors)


def _named_tensors(loaded: object) -> dict[str, Tensor]:
    entries = loaded.items() if isinstance(loaded, Mapping) else ()
    return {name: value for name, value in entries if isinstance(name, str) and isinstance(value, Tensor)}


def _only(loaded: object) -> object:
    """What holds tensors by name, where one entry does, however it is called and however deep it lies.

    Raises:
        ValueError: several entries do.
    """
    if _named_tensors(loaded):
        return loaded
    found: dict[str, object] = {}
    waiting, seen = [("", loaded)], 0
    while waiting and seen < MOST_LOOKED_AT:
        where, held = waiting.pop(0)
        if where and (_named_tensors(held) or (isinstance(held, StandIn) and _of_network(held))):
            found[where] = held
            continue
        entries = (
            held.items() if isinstance(held, Mapping) else enumerate(held) if isinstance(held, list | tuple) else ()
        )
        for name, value in entries:
            if isinstance(value, Mapping | list | tuple | StandIn):
                waiting.append((f"{where}.{name}" if where else str(name), value))
            seen += 1
    if len(found) > 1:
        names = one_line(", ".join(sorted(found))[:120])
        raise ValueError(f"it holds tensors under {names}; keep one of them, under the name state_dict")
    return next(iter(found.values()), loaded)


def without_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same under names without what wrappers put before every one of them, in whatever order they lie."""
    names = list(tensors)
    while prefix := next((known for known in PREFIXES if all(name.startswith(known) for name in names)), None):
        names = [name.removeprefix(prefix) for name in names]
    return dict(zip(names, tensors.values(), strict=True))


def _unwrapped(loaded: object) -> object:
    while isinstance(loaded, Mapping):
        inner = next((name for name in WRAPPERS if isinstance(loaded.get(name), Mapping | StandIn)), None)
        if inner is None:
            break
        loaded = loaded[inner]
    return loaded


def _of_network(network: StandIn) -> dict[str, Tensor]:
    """The state dict of a network that was pickled whole, from the attributes that torch gives every module."""
    held: dict[str, Tensor] = {}
    waiting, seen = [("", network)], set()
    while waiting:
        prefix, module = waiting.pop()
        if id(module) in seen or not isinstance(module.state, Mapping):  # a hostile file may hold one many times over
            continue
        seen.add(id(module))
        for group in ("_parameters", "_buffers"):
            held |= {
                f"{prefix}{name}": value
                for name, value in _entries(module.state.get(group))
                if isinstance(value, Tensor)
            }
        parts = _entries(module.state.get("_modules"))
        waiting += [(f"{prefix}{name}.", part) for name, part in parts if isinstance(part, StandIn)]
    return held


def _entries(group: object) -> list[tuple[object, object]]:
    return list(group.items()) if isinstance(group, Mapping) else []


def main(file: Path, out: Path, *, limits: bool = True) -> None:
    """Read one file and write its tensors; ends the process with 2 and a line on stderr where it cannot.

    Args:
        file: a pickle or an HDF5 file.
        out: the safetensors file.
        limits: whether this process may take only so much memory and time; they cannot be lifted again.
    """
    if limits:
        _limit(4 * file.stat().st_size + ROOM)
    try:
        with file.open("rb") as start:
            is_hdf5 = start.read(len(HDF5)) == HDF5
        loaded = _read_hdf5(file) if is_hdf5 else _load(file)
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in tensors_of(loaded).items()}
        save_file(tensors, out, metadata=_config(loaded))
    except MemoryError:
        sys.exit(_refuse("it asks for more memory than its size allows"))
    except Exception as error:  # whatever a hostile file provokes, the caller gets one line
        sys.exit(_refuse(_reason(error)))


def _read_hdf5(file: Path) -> object:
    try:
        return read_hdf5(file)
    except OSError as error:
        raise ValueError(f"it is an HDF5 file, damaged or cut off ({one_line(str(error))[:120]})") from None


def _load(file: Path) -> object:
    """What a pickle holds, with a `StandIn` for each object of a class that torch does not know."""
    stand_ins: list[Any] = []
    if why := _other_archive(file):
        raise ValueError(why)
    while True:
        try:
            with torch.serialization.safe_globals(stand_ins):
                return torch.load(file, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            unknown = re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error))
            known = [name for _, name in stand_ins]
            if unknown is None or not _may_stand(unknown[1]) or len(known) >= MOST_CLASSES:
                raise
            name = f"builtins.{unknown[1]}" if unknown[1] in BUILTIN_TYPES else unknown[1]
            if name in known:
                raise
            stand_ins.append((CONTAINERS.get(name, StandIn), name))


def _other_archive(file: Path) -> str | None:
    """What a zip archive is that `torch.save` did not write, and the way out; None for what it did write, or no zip."""
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if any(name.endswith("/constants.pkl") for name in names):
        return "it is TorchScript, which is code; save its weights alone: torch.save(network.state_dict(), FILE)"
    if any(name.endswith("data.pkl") for name in names):
        return None
    if any(name.endswith(".npy") for name in names):
        return "it is a NumPy archive; save its arrays as tensors: torch.save, or safetensors"
    return f"it is a zip archive; unpack the weights in it ({one_line(', '.join(names)[:80])})"


def _may_stand(name: str) -> bool:
    """Whether a stand-in may take a name's place: not for Python's own functions, which only an attack would name."""
    package = name.partition(".")[0]
    own = package in sys.stdlib_module_names or "." not in name
    return not own or name in (*HARMLESS, *CONTAINERS, *BUILTIN_TYPES) or package in HARMLESS_MODULES


def _config(loaded: object) -> dict[str, str] | None:
    """The settings that a trainer kept under `CONFIG`, as JSON for the metadata; None where there are none."""
    settings = loaded.get(CONFIG) if isinstance(loaded, Mapping) else None
    return {CONFIG: json.dumps(_plain(settings))} if isinstance(settings, Mapping) else None


def _plain(value: object, depth: int = 0) -> Any:
    """Numbers, words, and short lists and mappings of them; None for everything else."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value[:LONGEST]
    if depth == DEEPEST or not isinstance(value, list | tuple | Mapping) or len(value) > LONGEST:
        return None
    if isinstance(value, Mapping):
        return {str(name)[:LONGEST]: _plain(part, depth + 1) for name, part in value.items()}
    return [_plain(part, depth + 1) for part in value]


def _end_with(parent: int) -> None:
    """Lets the system kill this process when the one that waits for it is gone, however that ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        sys.exit(1)


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
    if isinstance(error, OSError | EOFError) or "PytorchStreamReader" in text or not text:
        return "it is damaged or cut off"
    return text.splitlines()[0]


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    _end_with(int(sys.argv[3]))
    main(Path(sys.argv[1]), Path(sys.argv[2]))
