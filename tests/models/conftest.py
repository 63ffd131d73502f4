import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import loadmat
from torch import Tensor

SHARED = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture(autouse=True)
def _same_draws_in_every_order() -> None:
    torch.manual_seed(0)


@pytest.fixture
def shared_weights() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        path = SHARED / "weights" / name
        if not path.exists():
            pytest.skip(f"{path} is not here")
        return path

    return find


@pytest.fixture
def golden() -> Callable[[str], Path]:
    """A file of numbers that reference code gave, by its name."""

    def find(name: str) -> Path:
        path = SHARED / "golden" / name
        if not path.exists():
            pytest.skip(f"{path} is not here")
        return path

    return find


@pytest.fixture
def part_b() -> Callable[[int], tuple[Tensor, Tensor]]:
    """Image [1, 3, H, W] in 0..1 and points of a Part_B training image, by its number."""

    def read(number: int) -> tuple[Tensor, Tensor]:
        with Image.open(_part_b_file("images", f"IMG_{number}.jpg")) as picture:
            image = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255
        return image.unsqueeze(0), _heads(number)

    return read


@pytest.fixture
def part_b_heads() -> Callable[[int], Tensor]:
    """Points of a Part_B training image, by its number; all images have 768 x 1024 pixels."""
    return _heads


def _heads(number: int) -> Tensor:
    file = loadmat(_part_b_file("ground-truth", f"GT_IMG_{number}.mat"))
    return torch.from_numpy(np.asarray(file["image_info"][0, 0][0, 0][0], np.float32))


def _part_b_file(folder: str, name: str) -> Path:
    path = SHARED / "data/shanghaitech/part_B/train_data" / folder / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path
