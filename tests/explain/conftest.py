import pytest
import torch
from torch import Tensor

from countguard.data.synthetic import Synthetic
from countguard.models import build_counter
from countguard.models.counter import Counter


@pytest.fixture(scope="session")
def lite() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite").eval()


@pytest.fixture(scope="session")
def crowd_image() -> Tensor:
    return Synthetic(test=1).crowds("test")[0].image
