"""What `check` does not pass, and what it doubts; each kind was silent in 0.1.0."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from corpus.case import mat
from countguard.data.check import DataReport, check_data
from countguard.data.folder import Folder
from countguard.data.images import read_image
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.source import HeldBack
from countguard.data.sources import find_source, open_source
from countguard.errors import InputError
from published_layouts import ann_points, heads, picture, write

Rows = list[tuple[str, float, float]]


def table(root: Path, rows: Rows, extra: tuple[str, ...] = ()) -> Path:
    lines = ["image,x,y", *(f"{name},{x},{y}" for name, x, y in rows), *(f"{name},," for name in extra)]
    write(root / "points.csv", "\n".join(lines) + "\n")
    return root


def spread(width: float, height: float, images: int = 4) -> Rows:
    generator = np.random.default_rng(0)
    return [
        (f"p{index}.jpg", *(generator.random(2) * (width, height)).round(4).tolist())
        for index in range(images)
        for _ in range(9)
    ]


def street(root: Path, rows: Rows, width: int = 160, height: int = 120) -> DataReport:
    for seed, name in enumerate(dict.fromkeys(name for name, _, _ in rows)):
        picture(root / name, seed, width, height)
    return check_data(table(root, rows))


@pytest.mark.parametrize(
    ("side", "said"), [(1, "shares of the picture's sides"), (100, "percent of the picture's sides")]
)
@pytest.mark.parametrize("size", [(160, 120), (120, 160), (400, 400)])
def test_relative_coordinates_are_no_pixels(side: int, said: str, size: tuple[int, int], tmp_path: Path) -> None:
    report = street(tmp_path, spread(side, side), *size)
    assert len(report.problems) == 1
    assert said in report.problems[0]


def test_small_pictures_and_few_heads_raise_no_such_doubt(tmp_path: Path) -> None:
    assert street(tmp_path / "small", spread(64, 48), 64, 48).problems == ()
    assert street(tmp_path / "pixels", spread(160, 120)).problems == ()
    assert street(tmp_path / "corner", [("p0.jpg", 50, 60), ("p0.jpg", 99, 20)]).problems == ()


def test_x_and_y_that_changed_places_are_named_with_every_file(tmp_path: Path) -> None:
    exchanged = [(name, y, x) for name, x, y in [*spread(160, 120), *((f"p{seed}.jpg", 150, 30) for seed in range(4))]]
    for extra in range(2):
        picture(tmp_path / f"n{extra}.jpg", 50 + extra, 160, 120)
    for seed in range(4):
        picture(tmp_path / f"p{seed}.jpg", seed, 160, 120)
    report = check_data(table(tmp_path, exchanged, ("n0.jpg", "n1.jpg")))
    assert [f"p{seed}.jpg" in line for seed, line in enumerate(report.problems[:4])] == [True] * 4
    assert any(line.startswith("x and y look exchanged: 4 pictures") for line in report.problems)
    assert any("not one head in its 2 good images" in line for line in report.problems)


def test_a_picture_in_two_parts_does_not_pass_whatever_its_name_and_format(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for part, name in (("train", "a.png"), ("test", "b.bmp")):
        picture(tmp_path / part / "own.png", seed=len(part))
        Image.fromarray(noise).save(tmp_path / part / name)
        table(tmp_path / part, [(name, 3, 4), ("own.png", 3, 4)])
    report = check_data(tmp_path)
    assert report.problems == ("1 pictures are in train and in test: a.png = b.bmp",)


def test_a_set_without_heads_or_without_a_part_does_not_pass(tmp_path: Path) -> None:
    picture(tmp_path / "empty/a.jpg", 0)
    assert "not one head" in check_data(table(tmp_path / "empty", [], ("a.jpg",))).problems[0]
    for name in ("learn", "tell"):
        picture(tmp_path / f"set/part_A/{name}/images/IMG_1.jpg", 1)
        mat(tmp_path / f"set/part_A/{name}/ground-truth/GT_IMG_1.mat")
    for place in ("set", "set/part_A"):
        with pytest.raises(InputError, match="no known data set"):
            check_data(tmp_path / place)
    with pytest.raises(InputError, match="should hold train_data or test_data, or train or test; it holds learn, tell"):
        check_data(ShanghaiTech(root=tmp_path / "set/part_A", part="A"))


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_heads_of_matlab_sets_are_in_the_stored_picture(orientation: int, suffix: str, tmp_path: Path) -> None:
    """MATLAB's imread, with which the .mat sets were annotated, does not turn pictures by their EXIF."""
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[8:16, 8:16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    place = tmp_path / "part_A/train_data"
    (place / "images").mkdir(parents=True)
    Image.fromarray(pixels).save(place / f"images/IMG_1{suffix}", exif=exif)
    mat(place / "ground-truth/GT_IMG_1.mat", np.array([[12.0, 12.0]]))
    crowd = open_source(tmp_path).load_training()[0]
    x, y = crowd.points[0].int().tolist()
    assert crowd.image[:, y, x].tolist() == pytest.approx([255] * 3, abs=12)
    report = check_data(tmp_path)
    assert report.problems == ()
    assert (
        f"1 picture is turned by EXIF: IMG_1{suffix}; heads are taken in the pictures as they are stored"
        in report.doubts[0]
    )
    turned = ShanghaiTech(root=tmp_path, part="A", exif="upright").crowds("train")[0]
    assert turned.image.shape == read_image(place / f"images/IMG_1{suffix}").shape


def test_the_size_in_a_label_file_decides_the_frame(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((48, 64, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    for size in ((64, 48), (48, 64)):
        image = {"id": 1, "file_name": "a.jpg", "width": size[0], "height": size[1]}
        annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 30, 4, 4]}
        content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "person"}]}
        write(tmp_path / "_annotations.coco.json", content)
        crowd = open_source(tmp_path).load_training()[0]
        assert (crowd.width, crowd.height) == size


def test_files_that_no_part_reads_are_named(tmp_path: Path) -> None:
    street(tmp_path / "train", spread(160, 120))
    picture(tmp_path / "more/left.jpg", 9)
    (tmp_path / "more/raw.NEF").write_bytes(b"raw")
    write(tmp_path / "notes.txt", "notes")
    report = check_data(tmp_path)
    assert report.problems == ()
    assert report.doubts == (
        "2 pictures are left out: more/left.jpg, more/raw.NEF",
        "1 other file is not read: 1 .txt",
    )


def test_bits_that_are_not_used_are_named(tmp_path: Path) -> None:
    gray = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint16)
    gray[0, 0] = 255
    for bits in (8, 12, 16):
        Image.fromarray(gray << (bits - 8)).save(tmp_path / f"p{bits}.png")
    report = check_data(table(tmp_path, [(f"p{bits}.png", 4, 5) for bits in (8, 12, 16)]))
    assert report.problems == ()
    assert "1 picture is of 16 bits and uses 8: p8.png; it is scaled" in " ".join(report.doubts)
    assert "uses 12: p12.png" in " ".join(report.doubts)
    assert any("twice: p8.png = p12.png, p8.png = p16.png" in doubt for doubt in report.doubts)


def test_mat_files_alone_make_no_shanghaitech(tmp_path: Path) -> None:
    picture(tmp_path / "set/images/a.jpg", 0)
    (tmp_path / "set/ground-truth").mkdir()
    scipy.io.savemat(tmp_path / "set/ground-truth/GT_a.mat", {"annPoints": np.ones((2, 2))})
    with pytest.raises(InputError, match="no known data set is seen"):
        open_source(tmp_path / "set")
    picture(tmp_path / "fair/train_data/images/IMG_1.jpg", 0)
    mat(tmp_path / "fair/train_data/ground-truth/GT_IMG_1.mat")
    source = open_source(tmp_path / "fair")
    assert isinstance(source, ShanghaiTech)
    assert (source.part, source.name) == (None, "fair")


def test_two_formats_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg", 1)
    ann_points(tmp_path / "1_ann.mat", heads(1))
    table(tmp_path, [("1.jpg", 1, 2)])
    with pytest.raises(InputError, match=r"like folder \(holds points\.csv\) and like ucf_cc_50 \(holds 1_ann\.mat\)"):
        open_source(tmp_path)
    for kind in ("folder", "ucf-cc-50"):
        found = find_source(tmp_path, kind=kind)
        assert found.because == "the user named it"
        assert len(found.source.load_training()) == 1


def test_images_that_were_not_asked_for_are_not_held_back(tmp_path: Path) -> None:
    rows = spread(160, 120, images=10)
    street(tmp_path / "one", rows)
    source = open_source(tmp_path / "one")
    assert (len(source.chosen_test().crowds), len(source.chosen_training().crowds)) == (10, 10)
    assert (
        source.chosen_test().said("measured") == "measured: 10 images (all: the set has one part, and no test images)"
    )
    held = source.model_copy(update={"split": HeldBack(fraction=0.2)})
    assert (len(held.chosen_test().crowds), len(held.chosen_training().crowds)) == (2, 8)
    (tmp_path / "one").rename(tmp_path / "test")
    alone = Folder(root=tmp_path)
    assert len(alone.chosen_test().crowds) == 10
    with pytest.raises(InputError, match="no official train images; there is test"):
        alone.load_training()
    bad = tmp_path / "test/p3.jpg"
    bad.write_bytes(b"no picture")
    chosen = Folder(root=tmp_path, skip_bad=True).chosen_test()
    assert chosen.said("measured") == "measured: 9 images (the official test images); 1 bad one left out"


def test_validation_images_are_reported_on_where_test_images_have_no_labels(tmp_path: Path) -> None:
    for part, seeds in {"train": (1, 2), "val": (3,), "test": (4,)}.items():
        for seed in seeds:
            picture(tmp_path / part / f"p{seed}.jpg", seed)
        table(tmp_path / part, [(f"p{seed}.jpg", 4, 5) for seed in seeds])
    split = Folder(root=tmp_path).load()
    assert [[crowd.id for crowd in crowds or ()] for crowds in (split.training, split.validation, split.test)] == [
        ["p1", "p2"],
        ["p3"],
        ["p4"],
    ]
    for path in (tmp_path / "test").iterdir():
        path.unlink()
    (tmp_path / "test").rmdir()
    without = Folder(root=tmp_path).load()
    assert ([crowd.id for crowd in without.test], without.validation) == (["p3"], None)
