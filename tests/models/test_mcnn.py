import pytest
import torch

from countguard.models.mcnn import MCNN


def test_mcnn_has_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in MCNN().parameters()) == 127_953


def test_colours_count_by_their_luminance_in_0_to_255() -> None:
    counter = MCNN()
    colour = torch.tensor([0.5, 0.2, 0.9]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    gray = torch.full((1, 3, 16, 16), 0.299 * 0.5 + 0.587 * 0.2 + 0.114 * 0.9)
    assert torch.allclose(counter(colour), counter(gray), rtol=1e-4)
    assert counter.normalise(torch.ones(1, 3, 4, 4)).max().item() == pytest.approx(255)


def test_random_weights_start_alive_and_below_one_person_a_cell() -> None:
    for _ in range(5):
        density = MCNN()(torch.rand(1, 3, 32, 32))
        assert 0 < density.mean().item() < 1
