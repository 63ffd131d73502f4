"""Weights in HDF5 files, as MCNN's authors publish them: one array a tensor, under the tensor's name."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def read_hdf5(path: Path) -> dict[str, Tensor]:
    """Every array of numbers in a file, by its path in it, with dots between.

    Links are not followed, and arrays that lie in other files are refused.

    Raises:
        ValueError: h5py is not installed, or an array lies outside of the file.
        OSError: the file is damaged.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError("it is an HDF5 file; install h5py with: pip install 'countguard[hdf5]'") from None
    tensors: dict[str, Tensor] = {}

    def take(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
            return
        if item.external is not None or item.is_virtual:
            raise ValueError(f"{name} lies in another file")
        values = np.array(item[()], dtype=item.dtype.newbyteorder("="))
        tensors[name.replace("/", ".")] = torch.from_numpy(values)

    with h5py.File(path, "r") as file:
        file.visititems(take)
    return tensors
