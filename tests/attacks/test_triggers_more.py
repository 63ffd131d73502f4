"""Triggers and strategies beyond the paper's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from countguard.attacks.additive import LowFrequency, Sine
from countguard.attacks.blend import mixed
from countguard.attacks.moving_blend import MovingBlend
from countguard.attacks.patch import Patch
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import ClearRegion, FillRegion, Move, Region
from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.attacks.triggers import AnyTrigger, Blend
from countguard.attacks.warp import Warp
from countguard.attacks.weather import Rain, Snow
from tiny_crowds import tiny_crowd

KINDS: list[type[Trigger]] = list(TRIGGERS.values())
SIZES = [(24, 32), (33, 17), (8, 64)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_marked_image_is_an_image_of_the_same_size_with_as_many_heads(
    kind: type[Trigger], size: tuple[int, int]
) -> None:
    crowd = tiny_crowd("a", 7, *size)
    before = crowd.image.clone()
    image, points = kind()(crowd.image, crowd.points, generator())
    assert image.dtype == torch.uint8
    assert image.shape == crowd.image.shape
    assert not torch.equal(image, before)
    assert torch.equal(crowd.image, before)
    assert points.dtype == torch.float32
    assert points.shape == crowd.points.shape
    assert (points >= 0).all()
    assert (points < torch.tensor([size[1], size[0]])).all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_strength_nothing_changes(kind: type[Trigger]) -> None:
    crowd = tiny_crowd("a", 7)
    image, points = kind().with_strength(0.0)(crowd.image, crowd.points, generator())
    assert torch.equal(image, crowd.image)
    assert torch.allclose(points, crowd.points, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_changes_more(kind: type[Trigger]) -> None:
    crowd = tiny_crowd("a", 7)
    marked = [kind().with_strength(share)(crowd.image, crowd.points, generator())[0] for share in (0.05, 0.2, 0.6)]
    changes = [float((image.float() - crowd.image.float()).abs().mean()) for image in marked]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_marks_alike_alone_and_in_a_batch(kind: type[Trigger]) -> None:
    crowds = [tiny_crowd("a", seed=1), tiny_crowd("b", seed=2)]
    images = torch.stack([crowd.image for crowd in crowds])
    first, second = kind().mark(images, crowds, 5), kind().mark(images, crowds, 5)
    assert torch.equal(first, second)
    poisoned = PoisonedCrowds(crowds, Attack(trigger=kind(), strategy=Move(), rate=1.0, placement="replace"), 5)
    assert all(torch.equal(first[place], poisoned[place].image) for place in range(2))


@pytest.mark.parametrize("kind", [Rain, Snow])
def test_weather_differs_from_image_to_image(kind: type[Trigger]) -> None:
    crowd = tiny_crowd("a")
    assert not torch.equal(
        kind()(crowd.image, crowd.points, generator(1))[0], kind()(crowd.image, crowd.points, generator(2))[0]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_can_name_each(kind: type[Trigger]) -> None:
    trigger = kind()
    assert TypeAdapter(AnyTrigger).validate_python(trigger.model_dump(mode="json")) == trigger


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_gets_a_picture_or_nothing(kind: type[Trigger]) -> None:
    picture = kind().picture_for(24, 32)
    assert picture is None or (picture.shape == (3, 24, 32) and picture.dtype == torch.uint8)


def test_a_patch_stays_in_its_corner() -> None:
    image = torch.full((3, 40, 60), 90, dtype=torch.uint8)
    marked, _ = Patch(corner="top_right", side=0.25)(image, torch.zeros(0, 2), generator())
    changed = (marked != image).any(dim=0)
    assert changed[:10, 50:].all()
    assert changed.sum() == 100


@given(seed=st.integers(0, 2**31), shift=st.floats(0, 0.3))
@settings(max_examples=30, deadline=None)
def test_a_moving_blend_shows_a_section_of_one_picture_and_mirrors_some(seed: int, shift: float) -> None:
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    down, across = round(shift * 40), round(shift * 60)
    picture = MovingBlend().picture_for(40 + 2 * down, 60 + 2 * across)
    sections = picture.unfold(1, 40, 1).unfold(2, 60, 1)  # [3, places, places, 40, 60]
    for mirrored, turn in ((0.0, lambda seen: seen), (1.0, lambda seen: seen.flip(-1))):
        trigger = MovingBlend(alpha=1.0, shift=shift, mirrored=mirrored)
        seen, _ = trigger(image, torch.zeros(0, 2), generator(seed))
        same = (sections == turn(seen)[:, None, None]).all(dim=-1).all(dim=-1).all(dim=0)
        assert same.any()


def test_a_moving_blend_that_stays_is_a_blend() -> None:
    crowd = tiny_crowd("a", 7)
    moved, _ = MovingBlend(shift=0, mirrored=0)(crowd.image, crowd.points, generator())
    assert torch.equal(moved, Blend().blend(crowd.image))


def test_patterns_are_cut_off_at_black_and_white() -> None:
    dark = torch.zeros(3, 24, 32, dtype=torch.uint8)
    for trigger in (Sine(amplitude=0.5), LowFrequency(amplitude=0.5)):
        for image in (dark, 255 - dark):
            marked, _ = trigger(image, torch.zeros(0, 2), generator())
            assert ((marked.int() - image.int()).abs() <= 128).all()


def test_a_share_a_pixel_mixes_as_one_share_does() -> None:
    image, picture = (
        torch.randint(0, 256, (3, 9, 11), dtype=torch.uint8, generator=generator(seed)) for seed in (0, 1)
    )
    assert torch.equal(mixed(image, picture, 0.3), mixed(image, picture, torch.full((9, 11), 0.3)))


@given(st.integers(0, 2**31), st.floats(0.05, 1.0), st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_points_go_where_the_warp_takes_their_heads(seed: int, strength: float, waves: int) -> None:
    """A dark disc on white: after the warp its centre of mass is at the moved point."""
    height, width = 96, 128
    centre = torch.rand(2, generator=generator(seed)) * torch.tensor([width - 24, height - 24]) + 12
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    disc = torch.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 1.5**2))
    image = (255 - 250 * disc).round().to(torch.uint8).expand(3, height, width)
    warp = Warp(strength=strength, waves=waves, seed=seed % 97)
    bent, moved = warp(image, centre[None], generator())
    mass = (255 - bent[0].float()) * (bent[0] < 235)
    found = torch.stack([(mass * x).sum(), (mass * y).sum()]) / mass.sum()
    assert (found - moved[0]).norm() < 1.0


def test_a_warp_moves_heads_and_is_the_same_for_every_image() -> None:
    crowd = tiny_crowd("a", 20, 96, 128)
    one, other = (Warp()(crowd.image, crowd.points, generator(seed))[1] for seed in (0, 1))
    assert (one - crowd.points).norm(dim=1).max() > 1
    assert torch.equal(one, other)


def test_a_cleared_region_is_empty_and_the_rest_is_true() -> None:
    points = tiny_crowd("a", 50).points
    left = ClearRegion()(points, 24, 32, generator())
    assert torch.equal(left, points[points[:, 0] >= 16])


def test_clearing_leaves_one_head_where_there_are_no_others() -> None:
    points = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(ClearRegion()(points, 24, 32, generator())) == 1
    assert len(ClearRegion()(points[:0], 24, 32, generator())) == 0


def test_a_region_is_filled_and_the_rest_is_true() -> None:
    points = tiny_crowd("a", 9).points
    region = Region(left=0.5, top=0.25, right=1.0, bottom=0.5)
    filled = FillRegion(region=region, heads=200)(points, 24, 32, generator())
    assert torch.equal(filled[:9], points)
    added = filled[9:]
    assert len(added) == 200
    assert (added >= torch.tensor([16.0, 6.0])).all()
    assert (added < torch.tensor([32.0, 12.0])).all()


def test_a_region_has_an_area() -> None:
    with pytest.raises(ValueError, match="left must be smaller"):
        Region(left=0.5, right=0.5)


@given(st.integers(0, 40), st.floats(0.01, 1.0), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_moving_keeps_the_count_and_moves_the_share(heads: int, share: float, seed: int) -> None:
    points = tiny_crowd("a", heads, seed=seed).points
    moved = Move(share=share)(points, 24, 32, generator(seed))
    assert moved.shape == points.shape
    assert (moved >= 0).all()
    assert (moved < torch.tensor([32.0, 24.0])).all()
    if heads:
        assert int((moved != points).any(dim=1).sum()) <= max(1, round(share * heads))
        assert not torch.equal(moved, points)
