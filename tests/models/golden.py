"""Networks filled by a rule, whose outputs public code gave: see golden/README.md of the shared folder."""

import json
import os
from math import log, prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

FOLDER = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[3] / "shared")) / "golden"
BINS = (0.0, 1.0, 2.0, 3.0, 4.41009)


def filled(name: str) -> dict[str, Tensor]:
    """The tensors of a published checkpoint, without its text encoder, filled by the rule."""
    shapes = _shapes(name)
    return {key: _tensor(key, shapes[key], number) for number, key in enumerate(sorted(shapes))}


def filled_names(name: str) -> list[str]:
    """The names of those tensors."""
    return list(_shapes(name))


def _shapes(name: str) -> dict[str, list[int]]:
    path = FOLDER / f"{name}_keys.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    shapes: dict[str, list[int]] = json.loads(path.read_text())
    return shapes


def _tensor(name: str, shape: list[int], number: int) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    wave = np.cos(0.618 * np.arange(1, prod(shape) + 1, dtype=np.float64) + number)
    wave = wave.reshape(shape)
    if name.endswith("running_var"):
        values = 1 + wave**2 / 2
    elif name == "logit_scale":
        values = np.full(shape, log(1 / 0.07))
    elif len(shape) >= 2:
        values = wave / np.sqrt(prod(shape[1:]))
    elif name.endswith("weight"):
        values = 1 + wave / 10
    else:
        values = wave / 10
    return torch.from_numpy(np.asarray(values, np.float32))


def text_features(length: int, bins: int = 5) -> Tensor:
    """Features of the prompts by the rule, rows of length 1."""
    index = np.arange(bins * length, dtype=np.float64)
    features = np.cos(0.37 * (index + 1) * (1 + index / length)).reshape(bins, length)
    return torch.from_numpy((features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32))


def image(height: int, width: int) -> Tensor:
    """The image by the rule: float32 [1, 3, height, width] in 0..1."""
    channel, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    values = 0.5 + 0.5 * np.sin(0.13 * x * (1 + channel) + 0.07 * y * (1 + channel / 2)) * np.cos(0.0011 * x * y)
    return torch.from_numpy(values.astype(np.float32)).unsqueeze(0)


def outputs(name: str) -> dict[str, Tensor]:
    """What the public code gave, by the name in the file."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}
