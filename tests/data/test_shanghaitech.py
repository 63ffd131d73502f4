from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from corpus.case import mat, picture, shanghaitech
from corpus.image_cases import png
from countguard.data.kernels import Adaptive
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.source import HeldBack
from countguard.errors import InputError

TRAIN = "part_B/train_data"


@pytest.mark.parametrize("truth", ["ground-truth", "ground_truth", "Ground_Truth"])
@pytest.mark.parametrize("part", ["part_B", "part_B_final", "Part_b"])
def test_every_layout_met_in_the_wild_is_read(tmp_path: Path, part: str, truth: str) -> None:
    shanghaitech(tmp_path)
    (tmp_path / TRAIN / "ground-truth").rename(tmp_path / TRAIN / "moved")
    (tmp_path / TRAIN / "moved").rename(tmp_path / TRAIN / truth)
    (tmp_path / "part_B").rename(tmp_path / part)
    for root in (tmp_path, tmp_path / part, tmp_path / part / "train_data"):
        crowds = ShanghaiTech(root=root).crowds("train")
        assert [crowd.id for crowd in crowds] == ["IMG_1", "IMG_2"]
        assert crowds[1].points.tolist() == [[10.5, 12.0], [40.0, 20.25]]
        assert crowds[0].image.shape == (3, 48, 64)


def test_both_official_parts_are_read(tmp_path: Path) -> None:
    shanghaitech(tmp_path, images=3)
    picture(tmp_path / "part_B/test_data/images/IMG_1.png", 40, 30)
    mat(tmp_path / "part_B/test_data/ground_truth/GT_IMG_1.mat")
    split = ShanghaiTech(root=tmp_path).load()
    assert (len(split.training), len(split.test)) == (3, 1)
    assert split.test[0].width == 40


def test_images_come_by_number_and_gray_ones_are_rgb(tmp_path: Path) -> None:
    for number in (10, 9, 2, 100):
        name = picture(tmp_path / TRAIN / f"images/IMG_{number}.png")
        mat(tmp_path / TRAIN / f"ground-truth/GT_IMG_{number}.mat")
    Image.open(name).convert("L").save(name)
    crowds = ShanghaiTech(root=tmp_path, kernel=Adaptive()).crowds("train")
    assert [crowd.id for crowd in crowds] == ["IMG_2", "IMG_9", "IMG_10", "IMG_100"]
    assert crowds[3].image.shape == (3, 48, 64)
    assert crowds[3].kernel == Adaptive()
    assert [crowd.id for crowd in crowds[1:3]] == ["IMG_9", "IMG_10"]
    assert crowds[-1].id == "IMG_100"
    with pytest.raises(IndexError):
        crowds[4]


def test_a_head_on_the_border_is_moved_inside(tmp_path: Path) -> None:
    shanghaitech(tmp_path)
    mat(tmp_path / TRAIN / "ground-truth/GT_IMG_1.mat", np.array([[64.0, 48.0], [-3.0, 5.0], [80.0, 60.0]]))
    points = ShanghaiTech(root=tmp_path).crowds("train")[0].points
    assert points.floor().tolist() == [[63, 47], [0, 5], [63, 47]]
    mat(tmp_path / TRAIN / "ground-truth/GT_IMG_1.mat", np.array([[64.0, 48.0], [80.1, 5.0]]))
    with pytest.raises(InputError, match=r"GT_IMG_1\.mat: image_info: head 2 at \(80\.1, 5\) lies outside"):
        ShanghaiTech(root=tmp_path).crowds("train")


def test_bad_files_are_skipped_named_and_counted(tmp_path: Path) -> None:
    shanghaitech(tmp_path, images=5)
    (tmp_path / TRAIN / "images/IMG_1.jpg").write_text("text")
    (tmp_path / TRAIN / "images/IMG_2.jpg").write_bytes(png(64, 48))  # its header and its end are good
    content = (tmp_path / TRAIN / "images/IMG_3.jpg").read_bytes()
    (tmp_path / TRAIN / "images/IMG_3.jpg").write_bytes(content[:900])
    (tmp_path / TRAIN / "ground-truth/GT_IMG_4.mat").unlink()
    source = ShanghaiTech(root=tmp_path, skip_bad=True, split=HeldBack(fraction=0.5))
    with pytest.raises(InputError, match="leaves no image"):
        source.load()
    picture(tmp_path / TRAIN / "images/IMG_6.jpg")
    mat(tmp_path / TRAIN / "ground-truth/GT_IMG_6.mat")
    split = source.load()
    assert {crowd.id for crowd in (*split.training, *split.test)} == {"IMG_5", "IMG_6"}
    skipped = [line.split(": ")[0].split("/")[-1] for line in split.skipped]
    assert skipped == ["IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg", "GT_IMG_4.mat"]
    with pytest.raises(InputError, match=r"IMG_1\.jpg"):
        source.model_copy(update={"skip_bad": False}).load()


def test_a_picture_that_changes_while_it_is_in_use_is_refused(tmp_path: Path) -> None:
    crowds = ShanghaiTech(root=shanghaitech(tmp_path)).crowds("train")
    picture(tmp_path / TRAIN / "images/IMG_1.jpg", 32, 32)
    with pytest.raises(InputError, match="has changed"):
        crowds[0]


def test_real_crowds_are_those_of_the_files(real: Path) -> None:
    crowds = ShanghaiTech(root=real, part="B").crowds("train")
    assert len(crowds) == 400
    assert ShanghaiTech(root=real).name == "ShanghaiTech Part_B"
    for index in range(4):
        crowd = crowds[index]
        assert crowd.id == f"IMG_{index + 1}"
        assert crowd.image.shape == (3, 768, 1024)
        file = real / TRAIN / f"ground-truth/GT_{crowd.id}.mat"
        location = scipy.io.loadmat(file)["image_info"][0, 0][0, 0][0]
        assert crowd.count == len(location)
        assert torch.equal(crowd.points, torch.from_numpy(location.astype(np.float32)))
    assert sum(len(image.points) for image in crowds.images) == 49_151
    assert len(ShanghaiTech(root=real, part="A", images=40).load_training()) == 40
