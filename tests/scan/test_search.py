"""Searching a picture by gradients, and what a search leaves behind."""

import json
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.scan.search import PRIORS, Found, Prior, features, search
from tiny_crowds import tiny_crowd


class Redness(Counter):
    """Counts red, a hundredth of a person for each fully red pixel: redder pictures move it up, all others down."""

    stride = 1
    align = 1

    def __init__(self) -> None:
        super().__init__(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        self.gain = nn.Parameter(torch.tensor(1.0))

    def density(self, normalised: Tensor) -> Tensor:
        """Red less green and blue."""
        return 0.01 * self.gain * normalised[:, :1]

    def explained_layer(self) -> nn.Module:
        """None of it is explained."""
        return self


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.name)
def test_a_search_finds_what_moves_the_count(prior: Prior, crowds: Sequence[Crowd]) -> None:
    more, fewer = (search(Redness(), crowds, ratio, prior, seed=0) for ratio in (3.0, 0.0))
    assert more.reached > 0 > fewer.reached
    red = [found.picture[0].float().mean() - found.picture[1].float().mean() for found in (more, fewer)]
    assert red[0] > 50 > -50 > red[1] - 50
    assert more.picture.dtype == torch.uint8
    assert more.picture.shape == crowds[0].image.shape


def test_what_a_search_found_can_be_kept(crowds: Sequence[Crowd]) -> None:
    found = search(Redness(), crowds, 2.0, PRIORS[0], seed=0)
    read = Found.from_json(json.loads(json.dumps(found.as_json())), 2.0, PRIORS[0])
    assert torch.equal(read.picture, found.picture)
    assert (read.reached, read.name) == (found.reached, found.name)
    with pytest.raises(InputError, match="is damaged"):
        Found.from_json({"reached": 1.0}, 2.0, PRIORS[0])


def test_a_search_leaves_the_counter_as_it_was(crowds: Sequence[Crowd]) -> None:
    counter = build_counter("lite", channels=2).train()
    counter.get_parameter("head.bias").requires_grad_(False)
    before = {name: value.clone() for name, value in counter.state_dict().items()}
    search(counter, crowds, 2.0, PRIORS[0], seed=0)
    assert counter.training
    assert all(torch.equal(value, before[name]) for name, value in counter.state_dict().items())
    assert not counter.get_parameter("head.bias").requires_grad
    assert counter.get_parameter("head.weight").requires_grad
    assert all(parameter.grad is None for parameter in counter.parameters())


def test_a_search_that_ends_in_no_number_is_refused(crowds: Sequence[Crowd]) -> None:
    counter = Redness()
    torch.nn.init.constant_(counter.gain, float("nan"))
    with pytest.raises(InputError, match="no finite numbers"):
        search(counter, crowds, 2.0, PRIORS[0], seed=0)


def test_features_are_named_by_ratio_and_prior(crowds: Sequence[Crowd]) -> None:
    found = search(build_counter("lite", channels=2), crowds, 0.5, PRIORS[1], seed=0)
    assert features([found]) == {"0.5 any": found.reached}


def test_images_of_several_sizes_are_cut_to_one() -> None:
    crowds = [tiny_crowd(str(index), height=40 + 8 * index, width=300) for index in range(6)]
    assert search(Redness(), crowds, 2.0, PRIORS[0], seed=0).picture.shape == (3, 40, 256)
