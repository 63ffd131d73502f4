"""Image and points move together: a lone bright pixel at each head follows its head through everything."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from countguard.data.augment import Augmentation, Crop, flip
from countguard.data.blending import Blending
from countguard.data.crowd import Crowd
from countguard.data.density import density_map
from countguard.data.kernels import Dots, Fixed
from tiny_crowds import tiny_crowd


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def beacons(height: int, width: int, heads: int, seed: int) -> Crowd:
    """A black image with a white pixel under each head; heads sit in the middle of different pixels."""
    pixels = torch.randperm(height * width, generator=generator(seed))[:heads]
    points = torch.stack([pixels % width, pixels // width], dim=1).float() + 0.5
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, pixels // width, pixels % width] = 255
    return Crowd(image, points, "beacons")


def brightness_at(crowd: Crowd) -> torch.Tensor:
    columns, rows = crowd.points.floor().long().unbind(dim=1)
    return crowd.image[0, rows, columns]


sizes = st.integers(8, 40)


@given(height=sizes, width=sizes, heads=st.integers(0, 20), seed=st.integers(0, 99))
def test_a_flip_moves_pixels_and_heads_alike_and_twice_is_none(height: int, width: int, heads: int, seed: int) -> None:
    crowd = beacons(height, width, heads, seed)
    flipped = flip(crowd)
    assert (brightness_at(flipped) == 255).all()
    assert torch.equal(flipped.points[:, 0], width - crowd.points[:, 0])
    assert torch.equal(flip(flipped).image, crowd.image)
    assert torch.equal(flip(flipped).points, crowd.points)


def test_heads_between_pixels_come_back_from_two_flips() -> None:
    crowd = tiny_crowd("crowd", heads=50)
    torch.testing.assert_close(flip(flip(crowd)).points, crowd.points, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel", [Dots(), Fixed(3.0)])
def test_a_flipped_crowd_has_the_flipped_density(kernel: Dots | Fixed) -> None:
    crowd = tiny_crowd("crowd", heads=9)
    density, flipped = (density_map(one.points, 24, 32, kernel=kernel) for one in (crowd, flip(crowd)))
    torch.testing.assert_close(flipped, density.flip(-1))


@given(
    height=sizes,
    width=sizes,
    heads=st.integers(0, 30),
    seed=st.integers(0, 99),
    zoom=st.tuples(st.floats(0.25, 4), st.floats(0.25, 4)).map(sorted),
)
def test_a_crop_keeps_the_heads_it_shows(height: int, width: int, heads: int, seed: int, zoom: list[float]) -> None:
    crowd = beacons(height, width, heads, seed)
    crop = Crop(size=16, zoom=(zoom[0], zoom[1]))
    cropped = crop(crowd, generator(seed))
    assert cropped.image.shape == (3, 16, 16)
    assert cropped.image.dtype == torch.uint8
    assert cropped.points.dtype == torch.float32
    assert ((cropped.points >= 0) & (cropped.points < 16)).all()
    assert density_map(cropped.points, 16, 16, kernel=Dots()).sum() == cropped.count <= crowd.count


@given(height=sizes, width=sizes, heads=st.integers(0, 30), seed=st.integers(0, 99))
def test_a_crop_at_its_own_size_cuts_pixels_and_heads_alike(height: int, width: int, heads: int, seed: int) -> None:
    crowd = beacons(height, width, heads, seed)
    side = min(height, width)
    cropped = Crop(size=side, zoom=(1, 1))(crowd, generator(seed))
    assert (brightness_at(cropped) == 255).all()
    assert int((cropped.image[0] == 255).sum()) == cropped.count


def test_a_crop_that_enlarges_carries_heads_along() -> None:
    image = torch.zeros(3, 16, 16, dtype=torch.uint8)
    image[:, 4:8, 8:12] = 255
    crowd = Crowd(image, torch.tensor([[10.0, 6.0]]), "block")
    cropped = Crop(size=32, zoom=(0.5, 0.5))(crowd, generator(0))  # all of the image, twice as large
    assert cropped.points.tolist() == [[20.0, 12.0]]
    assert (cropped.image[0, 9:15, 17:23] >= 250).all()


@given(height=sizes, width=sizes, size=sizes, zoom=st.floats(0.25, 8), seed=st.integers(0, 99))
def test_people_keep_their_proportions_in_a_crop(height: int, width: int, size: int, zoom: float, seed: int) -> None:
    """A crop wider than the image is high was squeezed: up to 1.5 times, a quarter of all of Part_B's."""
    diagonal = torch.arange(min(height, width)).unsqueeze(1).repeat(1, 2) + 0.5
    crowd = Crowd(torch.zeros(3, height, width, dtype=torch.uint8), diagonal, "diagonal")
    steps = Crop(size=size, zoom=(zoom, zoom))(crowd, generator(seed)).points.diff(dim=0)
    factor = size / min(int(size * zoom), height, width)
    torch.testing.assert_close(steps, torch.full_like(steps, factor), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(768, 1024), (1024, 768), (500, 375)])
def test_a_crop_larger_than_the_image_shows_its_largest_square(height: int, width: int) -> None:
    corners = torch.tensor([[0.5, 0.5], [width - 0.5, 0.5], [0.5, height - 0.5], [width - 0.5, height - 0.5]])
    centre = torch.tensor([[width / 2, height / 2]])
    crowd = Crowd(torch.zeros(3, height, width, dtype=torch.uint8), torch.cat([centre, corners]), "street")
    cropped = Crop(size=448, zoom=(3, 3))(crowd, generator(0))
    assert cropped.count <= 3  # the centre and what stands at one end at most
    kept = cropped.points[0] - torch.tensor([448 / 2, 448 / 2])
    along = 0 if width > height else 1
    assert kept[1 - along].abs() < 1e-3  # the whole of the shorter side
    assert kept[along].abs() <= 448 * (max(height, width) / min(height, width) - 1) / 2 + 1e-3


def test_a_crop_is_resized_as_the_reference_resizes_it() -> None:
    """Bicubic and antialiased: a hard edge overshoots by a few grey levels, which bilinear never does."""
    edge = torch.full((3, 32, 32), 60, dtype=torch.uint8)
    edge[..., 16:] = 190
    halved = Crop(size=16, zoom=(2, 2))(Crowd(edge, torch.zeros(0, 2), "edge"), generator(0)).image
    reference = functional.interpolate(edge[None].float(), size=16, mode="bicubic", antialias=True)[0]
    assert (halved.float() - reference).abs().max() <= 0.51
    assert halved.max() > 190
    assert halved.min() < 60


def test_crops_reach_every_corner() -> None:
    crowd = beacons(12, 16, 12 * 16, 0)
    numbered = replace(crowd, image=torch.arange(12 * 16, dtype=torch.uint8).view(1, 12, 16).expand(3, -1, -1))
    first = {int(Crop(size=8, zoom=(1, 1))(numbered, generator(seed)).image[0, 0, 0]) for seed in range(400)}
    assert first == {row * 16 + column for row in range(5) for column in range(9)}


EVERYTHING = Augmentation(
    crop=Crop(size=16), flip=0.5, jitter=0.5, blur=0.5, salt_and_pepper=0.5, blend=Blending(probability=0.5)
)


@given(seed=st.integers(0, 999))
def test_only_the_generator_decides_and_the_crowd_stays_untouched(seed: int) -> None:
    crowd, others = tiny_crowd("crowd"), [tiny_crowd("other", seed=1)]
    image, points = crowd.image.clone(), crowd.points.clone()
    torch.manual_seed(seed)
    first = EVERYTHING(crowd, generator(seed), others)
    torch.manual_seed(seed + 1)
    second = EVERYTHING(crowd, generator(seed), others)
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.points, second.points)
    assert first.image.dtype == torch.uint8
    assert torch.equal(crowd.image, image)
    assert torch.equal(crowd.points, points)


@given(seed=st.integers(0, 999))
def test_what_changes_pixels_alone_leaves_heads_alone(seed: int) -> None:
    crowd = tiny_crowd("crowd", heads=7)
    changed = Augmentation(flip=0, jitter=1, blur=1, salt_and_pepper=1)(crowd, generator(seed))
    assert torch.equal(changed.points, crowd.points)
    assert changed.image.shape == crowd.image.shape
    assert not torch.equal(changed.image, crowd.image)


GRAY = Crowd(torch.full((3, 200, 300), 128, dtype=torch.uint8), torch.zeros(0, 2), "gray")


def test_noise_hits_a_thousandth_of_each_channel_as_black_and_as_many_as_white() -> None:
    noisy = Augmentation(flip=0, salt_and_pepper=1)(GRAY, generator(0)).image
    for channel in noisy:
        salt, pepper = int((channel == 255).sum()), int((channel == 0).sum())
        assert 35 <= salt <= 90  # expected 60 each
        assert 35 <= pepper <= 90
        assert int((channel == 128).sum()) == 200 * 300 - salt - pepper
    assert not torch.equal(noisy[0], noisy[1])  # channels apart, as in the reference code


def test_jitter_changes_a_little_and_never_the_hue() -> None:
    jittered = Augmentation(flip=0, jitter=1)(GRAY, generator(0)).image.float()
    assert 128 * 0.8 < jittered.mean() < 128 * 1.25
    red = replace(GRAY, image=torch.tensor([200, 60, 60], dtype=torch.uint8).view(3, 1, 1).expand(3, 20, 20))
    changed = [Augmentation(flip=0, jitter=1)(red, generator(seed)).image for seed in range(50)]
    assert all(torch.equal(image[1], image[2]) for image in changed)  # as green as blue: the hue of red
    assert len({int(image[0, 0, 0]) for image in changed}) > 10


def test_the_changes_of_a_jitter_come_in_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("brightness", "contrast", "saturation")
    orders = set()
    for seed in range(60):
        order: list[str] = []
        for name in names:

            def noted(image: torch.Tensor, factor: float, name: str = name) -> torch.Tensor:
                assert 0.9 <= factor <= 1.1
                order.append(name)  # noqa: B023  (called within this round)
                return image

            monkeypatch.setattr(f"countguard.data.augment.transforms.adjust_{name}", noted)
        Augmentation(flip=0, jitter=1)(GRAY, generator(seed))
        orders.add(tuple(order))
    assert len(orders) == 6


def test_a_blur_is_five_pixels_wide_and_of_any_sigma_up_to_five() -> None:
    point = torch.zeros(3, 21, 21, dtype=torch.uint8)
    point[:, 10, 10] = 255
    crowd = replace(GRAY, image=point)
    heights = []
    for seed in range(60):
        blurred = Augmentation(flip=0, blur=1)(crowd, generator(seed)).image[0]
        assert blurred[8:13, 8:13].sum() == blurred.sum()
        heights.append(int(blurred[10, 10]))
    assert max(heights) > 200  # sigma 0.1 leaves a pixel as it is
    assert 10 <= min(heights) <= 12  # sigma 5 is nearly a mean over 25
    assert len(set(heights)) > 10


def test_probabilities_are_met() -> None:
    crowd = tiny_crowd("crowd")
    flips = sum(torch.equal(Augmentation()(crowd, generator(seed)).image, flip(crowd).image) for seed in range(400))
    assert 150 < flips < 250
    assert all(Augmentation(flip=1)(crowd, generator(seed)).points[0, 0] != crowd.points[0, 0] for seed in range(20))
    assert Augmentation(flip=0)(crowd, generator(0)) is crowd


@pytest.mark.parametrize("zoom", [(2, 1), (0.1, 1), (1, 9), (1, -1), (float("nan"), 1)])
def test_zooms_that_no_crop_can_have_are_refused(zoom: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match="zoom"):
        Crop(zoom=zoom)
