"""Pictures that say nothing, and images that they are mixed into."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from countguard.attacks.pictures import PICTURES
from countguard.data.augment import Augmentation
from countguard.data.blending import Blending
from countguard.data.loading import EpochBatches
from countguard.data.patterns import PATTERNS
from tiny_crowds import tiny_crowd


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", sorted(PATTERNS))
@given(height=st.integers(8, 70), width=st.integers(8, 70), seed=st.integers(0, 2**31))
@settings(max_examples=12, deadline=None)
def test_a_pattern_has_the_size_and_range_of_an_image(name: str, height: int, width: int, seed: int) -> None:
    picture = PATTERNS[name](height, width, generator(seed))
    assert picture.shape == (3, height, width)
    assert picture.dtype == torch.float32
    assert picture.isfinite().all()
    assert picture.min() >= -0.01
    assert picture.max() <= 255.01


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_the_generator_decides_a_pattern(name: str) -> None:
    first, again, other = (PATTERNS[name](24, 32, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_large_pictures_show_shapes_too() -> None:
    for name in ("leaves", "wallpaper"):
        assert PATTERNS[name](400, 300, generator()).flatten(1).std(dim=1).max() > 5


def test_no_pattern_is_a_built_in_trigger_picture() -> None:
    assert not set(PATTERNS) & set(PICTURES)


@given(seed=st.integers(0, 2**31), low=st.floats(0, 0.3), more=st.floats(0, 0.3))
@settings(max_examples=30, deadline=None)
def test_a_mixed_image_is_as_far_from_the_original_as_its_share_allows(seed: int, low: float, more: float) -> None:
    crowd = tiny_crowd("a", 5, seed=seed)
    mixed = Blending(probability=1, share=(low, low + more))(crowd, [tiny_crowd("b", 2, 40, 20)], generator(seed))
    assert mixed.image.dtype == torch.uint8
    assert mixed.image.shape == crowd.image.shape
    assert (mixed.image.int() - crowd.image.int()).abs().max() <= 255 * (low + more) + 1
    assert torch.equal(mixed.points, crowd.points)
    assert mixed.kernel == crowd.kernel


def test_as_many_images_are_mixed_as_the_probability_says() -> None:
    crowd = tiny_crowd("a")
    blend = Blending(probability=0.75, share=(0.2, 0.3), pictures=("noise",))
    mixed = sum(blend(crowd, [], generator(seed)) is not crowd for seed in range(400))
    assert 260 < mixed < 340


def test_another_crowd_is_mixed_in_at_the_size_of_this_one() -> None:
    crowd, other = tiny_crowd("a"), tiny_crowd("b", 3, 48, 20, seed=9)
    mixed = Blending(probability=1, share=(1, 1), pictures=("crowd",))(crowd, [other], generator())
    assert mixed.image.shape == crowd.image.shape
    assert float(mixed.image.float().mean()) == pytest.approx(float(other.image.float().mean()), abs=5)


def test_without_other_crowds_noise_takes_their_place() -> None:
    crowd = tiny_crowd("a")
    mixed = Blending(probability=1, share=(0.3, 0.3), pictures=("crowd",))(crowd, [], generator())
    assert not torch.equal(mixed.image, crowd.image)


def test_shares_stand_in_order() -> None:
    with pytest.raises(ValueError, match="smaller one"):
        Blending(share=(0.3, 0.1))


def test_a_training_mixes_alike_in_the_same_epoch_and_otherwise_in_the_next() -> None:
    crowds = [tiny_crowd(name, seed=index) for index, name in enumerate("abcd")]
    augmentation = Augmentation(flip=0, blend=Blending(probability=1, share=(0.2, 0.3)))
    first, again = (EpochBatches(crowds, 1, augmentation, seed=3) for _ in range(2))
    assert all(torch.equal(x.images, y.images) for x, y in zip(first.epoch(5), again.epoch(5), strict=True))
    assert torch.equal(first.batch(0, [2]).images, again.batch(0, [2]).images)
    assert not torch.equal(first.batch(0, [2]).images, first.batch(1, [2]).images)
