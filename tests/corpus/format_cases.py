"""Bad label files of the field's formats and of annotation tools."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from corpus.case import Case, picture
from countguard.data.sources import find_source

Make = Callable[[Path], Path]


def _read(kind: str) -> Callable[[Path], object]:
    def read(root: Path) -> object:
        source = find_source(root, kind=kind).source
        return [source.crowds(part) for part in source.parts()]

    return read


def _files(*pictures: str, **texts: str | bytes) -> Make:
    """Pictures, and files whose names have `__` for a slash and `_dot_` for a dot."""

    def make(root: Path) -> Path:
        for name in pictures:
            picture(root / name)
        for name, text in texts.items():
            path = root / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return root

    return make


def _coco(**changes: object) -> str:
    content: dict[str, object] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    return json.dumps({**content, **changes})


def _bomb(levels: int = 12) -> str:
    """A billion laughs."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, levels))
    return f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><annotations><meta>&e{levels - 1};</meta></annotations>'


def _npy(shape: tuple[int, ...], dtype: str = "<f8", body: bytes = b"") -> bytes:
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header = header.ljust(118 - 10) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def _noise_for_dots(root: Path) -> Path:
    picture(root / "001cell.png")
    picture(root / "001dots.png")
    return root


def _objects(root: Path) -> Path:
    picture(root / "train/a.jpg")
    np.save(root / "train/a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    return root


def _linked_out(root: Path) -> Path:
    outside = root / "outside.json"
    outside.write_text(_coco())
    picture(root / "set/a.jpg")
    (root / "set/labels.json").symlink_to(outside)
    return root / "set"


def _resized(root: Path) -> Path:
    picture(root / "a.jpg")
    Image.new("RGB", (128, 96)).save(root / "a.jpg")
    (root / "_annotations.coco.json").write_text(_coco())
    return root


_TASK = {"data": {"image": "/data/upload/1/a.jpg"}, "annotations": [{"result": [{"value": {"x": "left", "y": 1}}]}]}
_VIA = {"a": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": "cube"}}], "file_attributes": {}}}
_SHAPES = {"shapes": [{"label": "head", "points": [[1, None]], "shape_type": "point"}], "imagePath": "a.jpg"}

_CASES: dict[str, tuple[str, Make, str]] = {
    "coco_truncated": ("coco", _files("a.jpg", labels_dot_json=_coco()[:-40]), "is not JSON"),
    "coco_deep": (
        "coco",
        _files("a.jpg", labels_dot_json='{"annotations": [{"image_id": 1}, ' + "[" * 100_000),
        "nested too deep",
    ),
    "coco_nan": ("coco", _files("a.jpg", labels_dot_json=_coco().replace("4, 4", "NaN, 4")), "NaN is no number"),
    "coco_long_number": ("coco", _files("a.jpg", labels_dot_json=_coco().replace("4, 4", "1" * 5000)), "is not JSON"),
    "coco_many_values": (
        "coco",
        _files("a.jpg", labels_dot_json='{"annotations": [{"image_id": 1}, [' + "[]," * 9_000_000),
        "one entry has",
    ),
    "coco_climbs_out": (
        "coco",
        _files("a.jpg", labels_dot_json=_coco(images=[{"id": 1, "file_name": "../../etc/passwd"}])),
        "they are not in",
    ),
    "coco_stranger": (
        "coco",
        _files("a.jpg", labels_dot_json=_coco(annotations=[{"image_id": 7, "category_id": 1, "bbox": [1, 1, 2, 2]}])),
        "which is not among its images",
    ),
    "coco_same_id": (
        "coco",
        _files("a.jpg", labels_dot_json=_coco(images=[{"id": 1, "file_name": "a.jpg"}] * 2)),
        "a number of its own",
    ),
    "coco_classes": (
        "coco",
        _files("a.jpg", labels_dot_json=_coco(categories=[{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}])),
        "none of its classes is called people",
    ),
    "coco_linked_out": ("coco", _linked_out, "holds no JSON file"),
    "coco_resized": ("coco", _resized, "was labelled at 64 x 48 pixels, a.jpg has 128 x 96"),
    "cvat_bomb": ("cvat", _files("images/a.jpg", annotations_dot_xml=_bomb()), "declares a document type"),
    "cvat_file": (
        "cvat",
        _files(
            "images/a.jpg",
            annotations_dot_xml='<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations><meta></meta></annotations>',
        ),
        "declares a document type",
    ),
    "cvat_deep": (
        "cvat",
        _files("images/a.jpg", annotations_dot_xml="<annotations><meta>" + "<a>" * 100_000),
        "nested too deep",
    ),
    "cvat_video": (
        "cvat",
        _files(
            "images/a.jpg", annotations_dot_xml="<annotations><track id='1'></track></annotations>".replace("'", '"')
        ),
        "CVAT for images 1.1",
    ),
    "npy_objects": ("npy", _objects, "is no .npy file of points"),
    "npy_lies": ("npy", _files("train/a.jpg", train__a_dot_npy=_npy((1 << 40, 2))), "is no .npy file of points"),
    "npy_dimensions": (
        "npy",
        _files("train/a.jpg", train__a_dot_npy=_npy((1,) * 20, body=bytes(8))),
        "should be heads x 2",
    ),
    "npy_text": ("npy", _files("train/a.jpg", train__a_dot_npy=b"text"), "is no .npy file of points"),
    "dots_of_noise": ("dots", _noise_for_dots, "is no picture of dots"),
    "label_studio_words": ("label_studio", _files("a.jpg", tasks_dot_json=json.dumps([_TASK])), "should be a number"),
    "via_cube": ("via", _files("a.jpg", via_dot_json=json.dumps(_VIA)), "stands for no head"),
    "labelme_none": ("labelme", _files("a.jpg", a_dot_json=json.dumps(_SHAPES)), "should be a number"),
    "jhu_words": ("jhu", _files("train/images/1.jpg", train__gt__1_dot_txt="12 many 3 4 1 0\n"), "line 1"),
    "nwpu_climbs_out": (
        "nwpu",
        _files("images/1.jpg", train_dot_txt="../1 0 1\n", jsons__1_dot_json="{}"),
        "without a path",
    ),
    "nwpu_counts_otherwise": (
        "nwpu",
        _files("images/1.jpg", train_dot_txt="1 0 1\n", jsons__1_dot_json='{"human_num": 3, "points": [[1, 2]]}'),
        "human_num: says 3, points has 1",
    ),
    "crowdhuman_long_line": (
        "crowdhuman",
        _files("Images/a.jpg", annotation_train_dot_odgt='{"gtboxes": "' + "a" * (5 << 20)),
        "line 1: has more than",
    ),
    "crowdhuman_box": (
        "crowdhuman",
        _files("Images/a.jpg", annotation_train_dot_odgt='{"ID": "a", "gtboxes": [{"tag": "person", "hbox": 3}]}'),
        "a box should be x, y, width and height",
    ),
    "yolo_words": ("yolo", _files("images/a.jpg", labels__a_dot_txt="0 0.5 half 0.1 0.1\n"), "should be numbers"),
    "yolo_alias": (
        "yolo",
        _files("images/a.jpg", labels__a_dot_txt="0 0.5 0.5 0.1 0.1\n", data_dot_yaml="a: &a [1]\nnames: [*a, *a]\n"),
        "it has an alias",
    ),
    "yolo_tag": (
        "yolo",
        _files(
            "images/a.jpg",
            labels__a_dot_txt="0 0.5 0.5 0.1 0.1\n",
            data_dot_yaml="names: !!python/object/apply:os.getcwd []\n",
        ),
        "is no YAML",
    ),
    "visdrone_category": (
        "visdrone",
        _files("images/a.jpg", annotations__a_dot_txt="1,1,4,4,1,77,0,0\n"),
        "category 77 should be 0 to 11",
    ),
}

FORMAT_CASES = [Case(f"format_{name}", make, _read(kind), says) for name, (kind, make, says) in _CASES.items()]
