import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from countguard.data.source import HeldBack
from countguard.data.synthetic import Synthetic

LOOKS = ("plaza", "stadium")


@pytest.mark.parametrize("look", LOOKS)
def test_the_same_settings_give_the_same_bits_in_any_order(look: str) -> None:
    forward = Synthetic(look=look).crowds("train")
    backward = Synthetic(look=look).crowds("train")
    first = {index: forward[index] for index in range(5)}
    for index in reversed(range(5)):
        again = backward[index]
        assert again.id == first[index].id == f"train-{index:05d}"
        assert torch.equal(again.image, first[index].image)
        assert torch.equal(again.points, first[index].points)


@given(
    seed=st.integers(0, 2**40),
    index=st.integers(0, 199),
    height=st.integers(60, 130),
    width=st.integers(60, 160),
    look=st.sampled_from(LOOKS),
    heads=st.tuples(st.integers(0, 150), st.integers(1, 150)).map(lambda pair: (min(pair), max(pair))),
)
@settings(max_examples=60, deadline=None)
def test_every_crowd_keeps_the_contract(
    seed: int, index: int, height: int, width: int, look: str, heads: tuple[int, int]
) -> None:
    crowd = Synthetic(seed=seed, height=height, width=width, look=look, heads=heads).crowds("test")[index]
    assert crowd.image.shape == (3, height, width)
    assert crowd.image.dtype == torch.uint8
    assert crowd.image.is_contiguous()
    assert crowd.points.shape == (crowd.count, 2)
    assert crowd.points.dtype == torch.float32
    assert heads[0] <= crowd.count <= heads[1]
    assert (crowd.points >= 0).all()
    assert (crowd.points < torch.tensor([width, height])).all()


def test_heads_keep_their_distance() -> None:
    crowds = Synthetic(heads=(200, 200)).crowds("train")
    for index in range(5):
        distances = torch.cdist(crowds[index].points, crowds[index].points).fill_diagonal_(99)
        assert distances.min() > 1


def test_counts_fill_their_range_evenly() -> None:
    crowds = Synthetic(heads=(10, 200), height=64, width=80).crowds("train")
    counts = torch.tensor([crowds[index].count for index in range(120)])
    assert counts.min() < 30
    assert counts.max() > 180
    assert 85 < counts.float().mean() < 125


def test_seeds_parts_looks_and_indices_differ() -> None:
    plaza = Synthetic()
    crowds = [
        plaza.crowds("train")[0],
        plaza.crowds("train")[1],
        plaza.crowds("test")[0],
        Synthetic(seed=1).crowds("train")[0],
        Synthetic(look="stadium").crowds("train")[0],
    ]
    for first in range(len(crowds)):
        for second in range(first):
            assert not torch.equal(crowds[first].image, crowds[second].image)
            assert not torch.equal(crowds[first].points, crowds[second].points)


def test_scale_draws_the_same_crowd_larger() -> None:
    small, large = (Synthetic(scale=scale).crowds("train")[3] for scale in (1.0, 2.0))
    assert large.image.shape == (3, 192, 256)
    torch.testing.assert_close(large.points, 2 * small.points)


def test_a_sequence_like_any_other() -> None:
    crowds = Synthetic(train=7).crowds("train")
    assert len(crowds) == 7
    assert len(Synthetic(test=3).crowds("test")) == 3
    assert crowds[-1].id == "train-00006"
    assert [crowd.id for crowd in crowds[2:4]] == ["train-00002", "train-00003"]
    assert len(list(crowds)) == 7
    with pytest.raises(IndexError):
        crowds[7]


def test_splits_and_draws_come_from_the_source() -> None:
    split = Synthetic(train=20, split=HeldBack(fraction=0.25), images=10).load()
    training, test = ({crowd.id for crowd in part} for part in (split.training, split.test))
    assert (len(training), len(test)) == (10, 5)
    assert not training & test


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"heads": (20, 10)}, "heads"),
        ({"heads": (10, 100_000)}, "heads"),
        ({"look": "moon"}, "look"),
        ({"width": 8}, "width"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Synthetic.model_validate(wrong)
