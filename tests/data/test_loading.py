"""Batches that depend on seed and epoch alone, the same however many processes share them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.data import loading
from countguard.data.augment import Augmentation, Crop
from countguard.data.crowd import Crowd
from countguard.data.kernels import Fixed
from countguard.data.loading import Batch, EpochBatches, Resident
from tiny_crowds import tiny_crowd

SIZES = ((16, 24), (16, 16), (24, 16))


def crowds_of(sizes: Sequence[int]) -> list[Crowd]:
    return [tiny_crowd(f"crowd-{place}", 2, *SIZES[size], seed=place) for place, size in enumerate(sizes)]


mixed_sizes = st.lists(st.integers(0, 2), min_size=1, max_size=20)
ALIKE = crowds_of([0] * 7)


def same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.images, b.images)
        and all(torch.equal(p, q) for p, q in zip(a.points, b.points, strict=True))
        and (a.kernels, a.weight) == (b.kernels, b.weight)
        for a, b in zip(one, other, strict=True)
    )


@given(sizes=mixed_sizes, batch_size=st.integers(1, 6), epoch=st.integers(0, 3))
def test_an_epoch_takes_every_crowd_once_in_batches_of_one_size(sizes: list[int], batch_size: int, epoch: int) -> None:
    batches = EpochBatches(crowds_of(sizes), batch_size, seed=1)
    plan = batches.plan(epoch)
    assert sorted(index for step in plan for index in step) == list(range(len(sizes)))
    assert all(1 <= len(step) <= batch_size for step in plan)
    assert all(len({sizes[index] for index in step}) == 1 for step in plan)
    assert len(plan) == len(batches) == sum(-(-count // batch_size) for count in Counter(sizes).values())


@given(sizes=mixed_sizes, batch_size=st.integers(1, 6), world=st.integers(1, 4))
def test_the_shares_of_all_processes_are_the_batch(sizes: list[int], batch_size: int, world: int) -> None:
    crowds = crowds_of(sizes)
    whole = list(EpochBatches(crowds, batch_size, Augmentation(), seed=2).epoch(0))
    ranks = [
        list(EpochBatches(crowds, batch_size, Augmentation(), seed=2, rank=rank, world=world).epoch(0))
        for rank in range(world)
    ]
    assert {len(steps) for steps in ranks} == {len(whole)}  # or one process would wait for the others forever
    for step, batch in enumerate(whole):
        shares = [steps[step] for steps in ranks]
        counted = [share for share in shares if share.weight > 0]
        members = torch.cat([share.images for share in counted])
        assert sorted(image.flatten().tolist() for image in members) == sorted(
            image.flatten().tolist() for image in batch.images
        )
        assert sum(share.weight for share in shares) == pytest.approx(world)
        for share in counted:
            assert share.weight == pytest.approx(len(share.images) * world / len(batch.images))
    assert {batch.weight for batch in whole} == {1.0}


@pytest.mark.parametrize("crop", [None, Crop(size=8)])
def test_an_epoch_is_the_same_whenever_it_is_asked_for(crop: Crop | None) -> None:
    augmentation = Augmentation(crop=crop, jitter=0.5)
    crowds = crowds_of([0, 1, 2, 0, 1, 2])
    batches = EpochBatches(crowds, 2, augmentation, seed=3)
    third = batches.epoch(2)
    assert same(list(third), list(third))
    assert same(list(third), list(EpochBatches(crowds, 2, augmentation, seed=3).epoch(2)))
    assert not same(list(batches.epoch(0)), list(batches.epoch(1)))
    assert not same(list(third), list(EpochBatches(crowds, 2, augmentation, seed=4).epoch(2)))


def test_a_crop_lets_all_sizes_share_a_batch() -> None:
    batches = EpochBatches(crowds_of([0, 1, 2, 0, 1]), 5, Augmentation(crop=Crop(size=8)), seed=0)
    (batch,) = batches.epoch(0)
    assert batch.images.shape == (5, 3, 8, 8)


def test_a_batch_holds_what_the_crowds_hold() -> None:
    kernel = Fixed(2.0)
    crowds = [*ALIKE[:2], Crowd(ALIKE[2].image, ALIKE[2].points, "with kernel", kernel)]
    batches = EpochBatches(crowds, 3, seed=0)
    (members,) = batches.plan(0)
    (batch,) = batches.epoch(0)
    assert batch.images.dtype == torch.uint8
    for place, index in enumerate(members):
        assert torch.equal(batch.images[place], crowds[index].image)
        assert torch.equal(batch.points[place], crowds[index].points)
        assert batch.kernels[place] == (kernel if index == 2 else None)


def test_an_epoch_may_be_cut_short() -> None:
    batches = EpochBatches(ALIKE, 3, seed=0)
    whole = list(batches.epoch(0))
    for steps, expected in ((None, 3), (1, 1), (3, 3), (99, 3)):
        cut = batches.epoch(0, steps)
        assert len(cut) == len(list(cut)) == expected
        assert same(list(cut), whole[:expected])


def test_every_order_occurs() -> None:
    batches = EpochBatches(ALIKE[:3], 1, seed=0)
    orders = {tuple(index for (index,) in batches.plan(epoch)) for epoch in range(100)}
    assert len(orders) == 6


class Counted(list[Any]):
    """Crowds that count how often each is read."""

    def __init__(self, crowds: Sequence[Crowd]) -> None:
        super().__init__(crowds)
        self.reads: Counter[int] = Counter()

    def __getitem__(self, index: Any) -> Any:
        self.reads[index] += 1
        return super().__getitem__(index)


def test_resident_crowds_are_read_once() -> None:
    crowds = Counted(ALIKE)
    resident = Resident(crowds)
    assert not crowds.reads
    for _ in range(3):
        assert [crowd.id for crowd in resident] == [crowd.id for crowd in ALIKE]
        assert [crowd.id for crowd in resident[2:5]] == [crowd.id for crowd in ALIKE[2:5]]
    assert resident[-1].id == ALIKE[-1].id
    assert set(crowds.reads.values()) == {1}
    with pytest.raises(IndexError):
        resident[len(ALIKE)]


def test_a_part_of_resident_crowds_is_read_when_it_is_asked_for_and_not_kept_beyond_their_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "MEMORY", 2 * ALIKE[0].image.nbytes)
    crowds = Counted(ALIKE)
    resident = Resident(crowds)
    part = resident[2::2]
    assert not crowds.reads
    for _ in range(3):
        assert [crowd.id for crowd in part] == [crowd.id for crowd in ALIKE[2::2]]
    assert crowds.reads == {place: 1 if place < 6 else 3 for place in range(2, len(ALIKE), 2)}
    assert [crowd.id for crowd in resident[-2:]] == [crowd.id for crowd in ALIKE[-2:]]
