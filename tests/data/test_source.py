from collections.abc import Sequence
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from countguard.data.crowd import Crowd
from countguard.data.source import HeldBack, Joined, LazyCrowds, Source, Split, Subset
from countguard.errors import InputError


class Numbered(Source):
    """Crowds whose id is their number."""

    train: int = 10
    test: int = 4

    @property
    def name(self) -> str:
        return "numbered"

    def crowds(self, part: Literal["train", "test"]) -> Sequence[Crowd]:
        blank, none = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(0, 2)
        return [Crowd(blank, none, f"{part}-{number}") for number in range(getattr(self, part))]


def ids(crowds: Sequence[Crowd]) -> list[str]:
    return [crowd.id for crowd in crowds]


@given(train=st.integers(2, 60), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**62))
@settings(max_examples=100, deadline=None)
def test_holding_back_parts_the_training_images_and_is_stable(train: int, fraction: float, seed: int) -> None:
    source = Numbered(train=train, split=HeldBack(fraction=fraction, seed=seed))
    try:
        split = source.load()
    except InputError:
        assert round(train * fraction) == train
        return
    assert sorted(ids(split.training) + ids(split.test)) == sorted(ids(source.crowds("train")))
    assert not set(ids(split.training)) & set(ids(split.test))
    assert len(split.test) == max(1, round(train * fraction))
    assert ids(source.load().test) == ids(split.test)
    assert ids(source.load_training()) == ids(split.training)


def test_another_seed_holds_back_others() -> None:
    drawn = {tuple(ids(Numbered(train=40, split=HeldBack(seed=seed)).load().test)) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize("split", [{"kind": "official"}, {"kind": "held_back", "fraction": 0.3, "seed": 1}])
def test_a_larger_draw_holds_a_smaller_one(split: Split) -> None:
    few = Numbered(train=20, test=9, split=split, images=5, test_images=2).load()
    more = Numbered(train=20, test=9, split=split, images=9, test_images=4).load()
    assert (len(few.training), len(few.test)) == (5, 2)
    assert set(ids(few.training)) < set(ids(more.training))
    assert set(ids(few.test)) < set(ids(more.test))
    with pytest.raises(InputError, match=r"data\.test_images asks for 30"):
        Numbered(train=20, test=9, split=split, test_images=30).load()


def test_a_study_draws_by_its_own_seed_out_of_what_is_not_held_back() -> None:
    source = Numbered(train=30, split=HeldBack(fraction=0.5, seed=1), images=5)
    left = set(ids(source.model_copy(update={"images": None}).load_training()))
    drawn = {tuple(ids(source.load_training(seed))) for seed in range(6)}
    assert len(drawn) == 6
    assert all(set(some) < left for some in drawn)
    assert ids(source.load_training()) == ids(source.load().training)


def test_a_subset_of_a_subset_still_counts_from_its_start() -> None:
    subset = Subset(Numbered().crowds("train"), [1, 3, 5, 7])
    assert ids(subset[1:]) == ["train-3", "train-5", "train-7"]
    assert subset[1:][-1].id == "train-7"
    assert subset[-4].id == "train-1"
    with pytest.raises(IndexError):
        subset[-5]


class Files(LazyCrowds):
    """Crowds that note which of them are read."""

    skipped = ("bad.png",)

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.reads: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        self.reads.append(self.names[position])
        return Crowd(torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(0, 2), self.names[position])

    def stamp(self, position: int) -> bytes:
        """See `LazyCrowds`."""
        return self.names[position].encode()


@given(lengths=st.lists(st.integers(0, 4), max_size=4), data=st.data())
@settings(deadline=None)
def test_joined_crowds_are_those_of_a_list_and_only_what_is_asked_for_is_read(
    lengths: list[int], data: st.DataObject
) -> None:
    parts = [Files([f"{part}-{place}" for place in range(length)]) for part, length in enumerate(lengths)]
    names = [name for part in parts for name in part.names]
    joined = Joined(*parts)
    assert len(joined) == len(names)
    assert joined.skipped == ("bad.png",) * len(parts)
    assert [joined.stamp(place).decode() for place in range(len(names))] == names
    assert not any(part.reads for part in parts)
    if names:
        place = data.draw(st.integers(-len(names), len(names) - 1))
        assert joined[place].id == names[place]
        assert [name for part in parts for name in part.reads] == [names[place]]
    some = data.draw(st.slices(len(names)))
    assert ids(joined[some]) == names[some]
    with pytest.raises(IndexError):
        joined[len(names)]
