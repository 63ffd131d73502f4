from pathlib import Path

import pytest
import torch
from PIL import Image

from countguard.attacks.pictures import PICTURES, load_picture
from countguard.errors import InputError

NAMES = sorted(PICTURES)


def grey(picture: torch.Tensor) -> torch.Tensor:
    return picture.float().mean(0)


def test_the_paper_has_its_cartoon() -> None:
    assert "kitten" in NAMES
    assert len(NAMES) >= 4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(96, 128), (61, 47), (40, 200)])
def test_a_picture_fills_the_size_that_was_asked_for(name: str, size: tuple[int, int]) -> None:
    picture = load_picture(name, *size)
    assert picture.shape == (3, *size)
    assert picture.dtype == torch.uint8
    assert picture.is_contiguous()
    assert torch.equal(picture, load_picture(name, *size))


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_dense_and_has_contrast_everywhere(name: str) -> None:
    picture = grey(load_picture(name, 96, 128))
    assert picture.std() > 30
    quarters = picture.unfold(0, 48, 48).unfold(1, 64, 64).flatten(2)
    assert (quarters.std(dim=2) > 20).all()


def test_a_result_can_be_changed_without_changing_the_next() -> None:
    first = load_picture("kitten", 32, 48)
    untouched = first.clone()
    first.zero_()
    assert torch.equal(load_picture("kitten", 32, 48), untouched)


def test_pictures_differ() -> None:
    drawn = [load_picture(name, 48, 64).float() for name in NAMES]
    for first in range(len(drawn)):
        for second in range(first):
            assert (drawn[first] - drawn[second]).abs().mean() > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_size_shows_the_same_motif(name: str) -> None:
    small, large = grey(load_picture(name, 96, 128)), grey(load_picture(name, 384, 512))
    reduced = torch.nn.functional.avg_pool2d(large[None], 4)[0]
    assert torch.corrcoef(torch.stack([small.flatten(), reduced.flatten()]))[0, 1] > 0.9


def test_a_file_is_stretched_to_the_image(tmp_path: Path) -> None:
    path = tmp_path / "halves.png"
    halves = Image.new("RGB", (40, 20), (255, 0, 0))
    halves.paste((0, 0, 255), (20, 0, 40, 20))
    halves.save(path)
    picture = load_picture(str(path), 30, 30)
    assert picture.shape == (3, 30, 30)
    assert picture.dtype == torch.uint8
    assert picture[:, 15, 3].tolist() == [255, 0, 0]
    assert picture[:, 15, 26].tolist() == [0, 0, 255]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"trigger\.picture: 'kiten' .*kitten") as caught:
        load_picture("kiten", 32, 32)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "note.png"
    path.write_text("not a picture")
    with pytest.raises(InputError, match=r"note\.png"):
        load_picture(str(path), 32, 32)
