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
def part_b() -> Callable[[int], tuple[Tensor, Tensor]]:
    """Image [1, 3, H, W] in 0..1 and points of a Part_B training image, by its number."""
    root = SHARED / "data/shanghaitech/part_B/train_data"

    def read(number: int) -> tuple[Tensor, Tensor]:
        path = root / "images" / f"IMG_{number}.jpg"
        if not path.exists():
            pytest.skip(f"{path} is not here")
        with Image.open(path) as picture:
            image = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255
        heads = loadmat(root / "ground-truth" / f"GT_IMG_{number}.mat")["image_info"][0, 0][0, 0][0]
        return image.unsqueeze(0), torch.from_numpy(np.asarray(heads, np.float32))

    return read
