"""examples.npz: pictures, maps and Grad-CAM of a few test images, so that a report needs no counter."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from countguard.attacks.trigger import Trigger
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.explain.grad_cam import density_with_grad_cam
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.reading import open_file
from countguard.writing import write_atomically

MAX_BYTES = 1 << 30
"""Bytes of the file, and of all arrays in it; a few pictures need a hundredth of it."""
MAX_PIXELS = 64_000_000
"""Pixels of one picture, the limit of `countguard.data.images`."""
MAX_EXAMPLES = 50
"""The largest number that a recipe may ask for."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One test image as a counter saw it.

    Attributes:
        id: of the image.
        image, triggered: uint8 [3, H, W], without and with the trigger.
        trigger: uint8 [3, H, W], the trigger's picture alone; None for triggers without one.
        points: float32 [heads, 2], the true heads.
        true_map, map_clean, map_triggered: float32 [h, w], people per map cell: the truth, and the counter's estimates
            without and with the trigger.
        cam_clean, cam_triggered: float32 [H, W], Grad-CAM.
    """

    id: str
    image: NDArray[np.uint8]
    triggered: NDArray[np.uint8]
    trigger: NDArray[np.uint8] | None
    points: NDArray[np.float32]
    true_map: NDArray[np.float32]
    map_clean: NDArray[np.float32]
    map_triggered: NDArray[np.float32]
    cam_clean: NDArray[np.float32]
    cam_triggered: NDArray[np.float32]


_ARRAYS: dict[str, tuple[int, type[np.generic]]] = {
    "image": (3, np.uint8),
    "triggered": (3, np.uint8),
    "trigger": (3, np.uint8),
    "points": (2, np.float32),
    "true_map": (2, np.float32),
    "map_clean": (2, np.float32),
    "map_triggered": (2, np.float32),
    "cam_clean": (2, np.float32),
    "cam_triggered": (2, np.float32),
}
"""The arrays of an example apart from its id: dimensions and type."""


def example_indices(crowds: Sequence[Crowd], wanted: int) -> list[int]:
    """Test images whose counts are spread from the median to the maximum; the same for every cell of a study."""
    by_count = sorted(range(len(crowds)), key=lambda index: (crowds[index].count, crowds[index].id))
    if wanted >= len(by_count):
        return by_count
    quantiles = np.linspace(0.5, 0.95, wanted)
    return list(dict.fromkeys(by_count[round(quantile * (len(by_count) - 1))] for quantile in quantiles))


def write_examples(
    counter: Counter, crowds: Sequence[Crowd], indices: Sequence[int], trigger: Trigger, seed: int, path: Path
) -> None:
    """Writes examples.npz (see docs/reference/run-folder.md), completely or not at all."""
    arrays: dict[str, Any] = {}
    for place, index in enumerate(indices):
        crowd = crowds[index]
        images = crowd.image.unsqueeze(0).to(counter.mean.device)
        triggered = trigger.mark(images, [crowd], seed)
        (map_clean, cam_clean), (map_triggered, cam_triggered) = (
            density_with_grad_cam(counter, image) for image in (images[0], triggered[0])
        )
        picture = trigger.picture_for(crowd.height, crowd.width)
        kept = {
            "id": np.array(crowd.id),
            "image": crowd.image,
            "triggered": triggered[0],
            "points": crowd.points,
            "true_map": counter.target(as_input(images), [crowd.points], [crowd.kernel])[0, 0],
            "map_clean": map_clean,
            "map_triggered": map_triggered,
            "cam_clean": cam_clean,
            "cam_triggered": cam_triggered,
            **({} if picture is None else {"trigger": picture}),
        }
        arrays |= {f"{name}_{place}": _as_array(value) for name, value in kept.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_atomically(path, file.getvalue())


def _as_array(value: Any) -> Any:
    if not torch.is_tensor(value):
        return value
    return (value.float() if value.is_floating_point() else value).cpu().numpy()


def read_examples(path: Path) -> tuple[Example, ...]:
    """The examples of a cell, in their order; none if there is no such file.

    The header of each array is checked before memory is taken for it.

    Raises:
        InputError: the file is no archive of plain arrays, is far too large, lacks an array, or holds one of another
            type or size.
    """
    if not path.exists() and not path.is_symlink():
        return ()
    try:
        with open_file(path, MAX_BYTES) as file, zipfile.ZipFile(file) as archive:
            return tuple(_examples(archive))
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path}: not readable as examples ({error}); delete the cell's folder and run again"
        ) from error


def _examples(archive: zipfile.ZipFile) -> Iterator[Example]:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    names = [member.filename.removesuffix(".npy") for member in members]
    numbers = sorted(int(name[3:]) for name in names if name.startswith("id_") and name[3:].isdecimal())
    if unpacked > MAX_BYTES:
        raise InputError(f"unpacks to {unpacked >> 20} MiB; examples of a few images are far below 1024")
    if len(names) != len(set(names)) or len(numbers) > MAX_EXAMPLES:
        raise InputError(f"should hold at most {MAX_EXAMPLES} examples, each array once")
    for number in numbers:
        arrays = {
            name: _array(archive, f"{name}_{number}", dimensions, kind)
            for name, (dimensions, kind) in _ARRAYS.items()
            if name != "trigger" or f"trigger_{number}" in names
        }
        _require_sizes(arrays, number)
        example_id = str(_array(archive, f"id_{number}", 0, np.str_))
        yield Example(id=example_id, trigger=arrays.pop("trigger", None), **arrays)


def _array(archive: zipfile.ZipFile, name: str, dimensions: int, kind: type[np.generic]) -> NDArray[Any]:
    """One array, whose header is checked first."""
    with archive.open(f"{name}.npy") as member:
        shape, dtype = _header(member)
        if len(shape) != dimensions or not np.issubdtype(dtype, kind) or dtype.hasobject:
            raise InputError(f"{name}: is {dtype} with {len(shape)} dimensions, not {kind.__name__} with {dimensions}")
        if int(np.prod(shape, dtype=object)) > 3 * MAX_PIXELS or dtype.itemsize > 1024:
            raise InputError(f"{name}: has the shape {list(shape)[:4]}, more than a picture can have")
    with archive.open(f"{name}.npy") as member:
        array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
    return array


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise InputError("holds an array of a newer format")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _require_sizes(arrays: dict[str, NDArray[Any]], number: int) -> None:
    """Checks that pictures and Grad-CAM have one size, maps have one size, and all numbers are finite."""
    height, width = arrays["image"].shape[1:]
    for name in ("image", "triggered", "trigger"):
        if name in arrays and arrays[name].shape != (3, height, width):
            raise InputError(f"{name}_{number}: is {list(arrays[name].shape)}, not [3, {height}, {width}]")
    for name in ("cam_clean", "cam_triggered"):
        if arrays[name].shape != (height, width):
            raise InputError(f"{name}_{number}: is {list(arrays[name].shape)}, not [{height}, {width}]")
    for name in ("true_map", "map_clean", "map_triggered"):
        if not arrays[name].size:
            raise InputError(f"{name}_{number}: is empty")
    if arrays["points"].shape[1] != 2:
        raise InputError(f"points_{number}: is {list(arrays['points'].shape)}, not [heads, 2]")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{name}_{number}: holds a number that is not finite")
