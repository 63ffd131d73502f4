"""A blend is the same integer arithmetic wherever an image is marked."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from countguard.attacks.blend import mixed
from countguard.attacks.triggers import Blend
from countguard.seeds import generator_for
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(f"crowd-{index}", seed=index) for index in range(4)]
IMAGES = torch.stack([crowd.image for crowd in CROWDS])


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 256 x 256 in which every row is 0, 1, ..., 255."""
    path = tmp_path_factory.mktemp("pictures") / "ramp.png"
    Image.fromarray(np.arange(256, dtype=np.uint8)[None, :, None].repeat(256, 0).repeat(3, 2)).save(path)
    return path


@pytest.mark.parametrize("alpha", [0.0, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9, 1.0])
def test_every_pair_of_values_is_mixed_and_rounded(alpha: float, ramp: Path) -> None:
    values = torch.arange(256, dtype=torch.uint8)
    image = values[None, :, None].expand(3, 256, 256)
    blended = Blend(picture=str(ramp), alpha=alpha).blend(image)
    exact = (1 - alpha) * values[:, None].double() + alpha * values[None].double()
    assert blended.dtype == torch.uint8
    assert (blended[0].double() - exact).abs().max() <= 0.5 + 255 / 2**17  # a share is kept to 1/65536
    assert torch.equal(blended[0], blended[2])


def test_a_share_of_nothing_leaves_the_image_and_of_all_is_the_picture() -> None:
    blend = Blend()
    assert torch.equal(blend.with_strength(0.0).blend(IMAGES), IMAGES)
    assert torch.equal(blend.with_strength(1.0).blend(IMAGES[0]), blend.picture_for(24, 32))


@given(alpha=st.floats(0, 1))
def test_a_batch_is_marked_as_its_images_are(alpha: float) -> None:
    blend = Blend(alpha=alpha)
    together = blend.mark(IMAGES, CROWDS, seed=3)
    for crowd, marked in zip(CROWDS, together, strict=True):
        image, points = blend(crowd.image, crowd.points, generator_for(3, "trigger", crowd.id))
        assert torch.equal(image, marked)
        assert torch.equal(points, crowd.points)


def test_the_layout_in_memory_does_not_matter() -> None:
    blend = Blend()
    assert torch.equal(blend.blend(IMAGES.to(memory_format=torch.channels_last)), blend.blend(IMAGES))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_marks_as_the_cpu_does() -> None:
    for alpha in (0.05, 0.1, 0.35):
        blend = Blend(alpha=alpha)
        assert torch.equal(blend.blend(IMAGES.cuda()).cpu(), blend.blend(IMAGES))


def test_images_are_not_changed_in_place() -> None:
    before = IMAGES.clone()
    Blend(alpha=0.5).mark(IMAGES, CROWDS, seed=0)
    assert torch.equal(IMAGES, before)


def test_pictures_are_drawn_once_a_size_and_shared_by_other_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, int]] = []

    def draw(name: str, height: int, width: int) -> torch.Tensor:
        drawn.append((height, width))
        return torch.zeros(3, height, width, dtype=torch.uint8)

    monkeypatch.setattr("countguard.attacks.blend.load_picture", draw)
    blend = Blend()
    for trigger in (blend, blend.with_strength(0.3), blend):
        trigger.picture_for(24, 32)
        trigger.picture_for(32, 24)
    assert drawn == [(24, 32), (32, 24)]
    for width in range(1, 200):
        blend.picture_for(8, width)
    assert len(blend._pictures) <= 64  # sizes are as many as a data set pleases; memory is not


def test_equal_triggers_stay_equal_whatever_they_have_drawn() -> None:
    used, other, fresh = Blend(), Blend(), Blend()
    used.picture_for(8, 8)
    other.picture_for(8, 8)
    assert used == other == fresh
    assert used != Blend(alpha=0.2)
    assert pickle.loads(pickle.dumps(used)) == used
    assert used.model_dump() == {"kind": "blend", "picture": "kitten", "alpha": 0.1}


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "much"])
def test_a_share_outside_of_0_to_1_is_refused(alpha: object) -> None:
    with pytest.raises(ValidationError, match="alpha"):
        Blend.model_validate({"alpha": alpha})


@pytest.mark.parametrize("shape", [(3, 11, 13), (2, 3, 200, 300), (0, 3, 16, 16), (2, 2, 3, 8, 8)])
@pytest.mark.parametrize("in_threads", [False, True])
def test_the_result_goes_where_it_is_asked_for(
    shape: tuple[int, ...], in_threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_threads:
        monkeypatch.setattr("countguard.attacks.blend._MUCH", 0)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    blend = Blend(alpha=0.3)
    expected = mixed(images, blend.picture_for(*shape[-2:]), 0.3)
    assert torch.equal(blend.blend(images), expected)
    assert blend.blend(images, out=images) is images
    assert torch.equal(images, expected)
