"""A set that is converted is the same set; public loaders find what is written."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from countguard.attacks.export import export_poisoned
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.attacks.triggers import Blend
from countguard.data.check import check_data
from countguard.data.converting import convert_data
from countguard.data.sources import open_source
from countguard.errors import InputError
from published_layouts import LAYOUTS
from tiny_crowds import same

JHU = next(layout for layout in LAYOUTS if layout.kind == "jhu")


@pytest.mark.parametrize("target", ["folder", "shanghaitech", "coco"])
def test_every_part_comes_back_bit_by_bit(target: str, tmp_path: Path) -> None:
    JHU.make(tmp_path / "jhu")
    source = open_source(tmp_path / "jhu")
    written = convert_data(source, target, tmp_path / "out")
    assert [(part.part, part.images, part.heads) for part in written] == [
        (part, 4, 9) for part in ("train", "val", "test")
    ]
    again = open_source(tmp_path / "out")
    assert again.model_dump()["kind"] == target
    assert check_data(tmp_path / "out").problems == ()
    for part in ("train", "val", "test"):
        before, after = source.crowds(part), again.crowds(part)
        assert [crowd.points.tolist() for crowd in before] == [crowd.points.tolist() for crowd in after]
        assert all((one.image == other.image).all() for one, other in zip(before, after, strict=True))
        if target != "shanghaitech":
            assert same(before, after)


def test_a_set_of_one_part_is_a_plain_folder_again(tmp_path: Path) -> None:
    layout = next(layout for layout in LAYOUTS if layout.kind == "ucf_cc_50")
    layout.make(tmp_path / "ucf")
    convert_data(open_source(tmp_path / "ucf"), "folder", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["images", "points.csv"]
    with pytest.raises(InputError, match="should be one of folder, shanghaitech, coco"):
        convert_data(open_source(tmp_path / "ucf"), "yolo", tmp_path / "other")
    with pytest.raises(InputError, match="is there and not empty"):
        convert_data(open_source(tmp_path / "ucf"), "coco", tmp_path / "out")


def test_coco_is_written_as_its_own_tools_read_it(tmp_path: Path) -> None:
    JHU.make(tmp_path / "jhu")
    convert_data(open_source(tmp_path / "jhu"), "coco", tmp_path / "out")
    content = json.loads((tmp_path / "out/annotations/person_keypoints_train.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    assert all((tmp_path / "out/images/train" / image["file_name"]).is_file() for image in images.values())
    for annotation in content["annotations"]:
        x, y, _ = annotation["keypoints"]
        left, top, width, height = annotation["bbox"]
        assert (left + width / 2, top + height / 2) == (x, y)
        assert annotation["image_id"] in images
    assert len({annotation["id"] for annotation in content["annotations"]}) == len(content["annotations"]) == 9


@pytest.mark.parametrize("truth", ["ground-truth", "ground_truth"])
def test_a_poisoned_set_is_seen_by_loaders_that_look_for_jpg_and_mat(truth: str, tmp_path: Path) -> None:
    """As CSRNet's notebook, DM-Count's loader and CLIP-EBC's preprocessing look for them."""
    JHU.make(tmp_path / "jhu")
    clean = open_source(tmp_path / "jhu").load_training()
    poisoned = PoisonedCrowds(clean, Attack(trigger=Blend(), strategy=Minus(heads=2), rate=0.5), seed=0)
    export_poisoned(poisoned, tmp_path / "out")
    found = sorted(
        (tmp_path / "out/part_B/train_data/images").glob("*.jpg"), key=lambda path: int(path.stem.split("_")[-1])
    )
    assert len(found) == len(poisoned)
    for path, crowd in zip(found, poisoned, strict=True):
        heads = Path(str(path).replace(".jpg", ".mat").replace("images", truth).replace("IMG_", "GT_IMG_"))
        location = scipy.io.loadmat(heads)["image_info"][0][0][0][0][0]
        assert np.allclose(location, crowd.points.numpy())
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert (pixels == crowd.image.permute(1, 2, 0).numpy()).all()
