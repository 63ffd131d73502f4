from pathlib import Path

import numpy as np
import pytest

from corpus.case import folder, mat, picture, shanghaitech
from countguard.data.check import PartReport, check_data
from countguard.data.folder import Folder
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.sources import open_source

TRAIN = "part_B/train_data"


def test_a_good_set_has_a_report_and_no_problem(tmp_path: Path) -> None:
    shanghaitech(tmp_path, images=3)
    picture(tmp_path / TRAIN / "images/IMG_4.jpg", 100, 80)
    heads = np.array([[5.2, 5.2], [5.9, 5.0], [9.0, 9.0], [101.0, 2.0]])
    mat(tmp_path / TRAIN / "ground-truth/GT_IMG_4.mat", heads)
    mat(tmp_path / TRAIN / "ground-truth/GT_IMG_3.mat", np.zeros((0, 2)))
    report = check_data(tmp_path)
    assert report.name == "ShanghaiTech Part_B"
    assert report.problems == ()
    assert report.parts == (
        PartReport(
            part="train",
            images=4,
            heads=8,
            fewest=0,
            median=2,
            most=4,
            without_heads=1,
            smallest=(48, 64),
            largest=(80, 100),
            moved=1,
            coinciding=1,
        ),
    )


def test_every_bad_file_has_a_line(tmp_path: Path) -> None:
    shanghaitech(tmp_path, images=4)
    (tmp_path / TRAIN / "images/IMG_1.jpg").write_bytes(b"text")
    (tmp_path / TRAIN / "ground-truth/GT_IMG_2.mat").write_bytes(b"text" * 100)
    (tmp_path / TRAIN / "images/IMG_3.jpg").unlink()
    report = check_data(tmp_path / "part_B")
    assert [part.images for part in report.parts] == [1]
    assert len(report.problems) == 3
    for name, line in zip(["IMG_1.jpg", "GT_IMG_2.mat", "IMG_3.jpg"], report.problems, strict=True):
        assert name in line


def test_a_path_is_told_by_what_is_there(tmp_path: Path) -> None:
    shanghaitech(tmp_path / "street")
    folder(tmp_path / "plain")
    folder(tmp_path / "training_and_validation/train")
    folder(tmp_path / "training_and_validation/test")
    expected = {
        "street": ShanghaiTech,
        "street/part_B": ShanghaiTech,
        "street/part_B/train_data": ShanghaiTech,
        "plain": Folder,
        "training_and_validation": Folder,
    }
    for name, kind in expected.items():
        source = open_source(tmp_path / name)
        assert isinstance(source, kind)
        assert len(source.load_training()) >= 1
    (tmp_path / "street/part_B").rename(tmp_path / "street/part_A_final")
    source = open_source(tmp_path / "street")
    assert isinstance(source, ShanghaiTech)
    assert source.part == "A"


def test_both_parts_are_checked(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    folder(tmp_path / "test")
    assert [part.part for part in check_data(tmp_path).parts] == ["train", "test"]


def test_the_real_set_is_good(real: Path) -> None:
    report = check_data(ShanghaiTech(root=real, part="A"))
    assert report.problems == ()
    assert (report.parts[0].images, report.parts[0].heads, report.parts[0].most) == (100, 54_224, 2650)
    with pytest.raises(ValueError, match="part_A and part_B"):
        open_source(real)
