"""Small sets in the exact layouts of the field's data sets and annotation tools, made for tests.

Each maker writes a set into an empty folder and returns the heads that a reader should find, by part and id.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from corpus.case import mat

Points = list[list[float]]
Heads = dict[str, Points]
WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True)
class Layout:
    """A data set as it is published.

    Attributes:
        title: of the set or the tool.
        kind: of the source that reads it.
        layout: what is where, in a few words; stands in the docs.
        make: writes it.
        settings: that the small set needs, as `--set` takes them.
    """

    title: str
    kind: str
    layout: str
    make: Callable[[Path], dict[str, Heads]]
    settings: list[str] = field(default_factory=list)


def picture(path: Path, seed: int, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Noise of its own, in the format of the suffix."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path)
    return path


def heads(seed: int, number: int = 3) -> Points:
    """Points on whole and half pixels, exact in every format."""
    generator = np.random.default_rng([seed, 7])
    xs, ys = generator.integers(8, 2 * WIDTH - 8, number) / 2, generator.integers(8, 2 * HEIGHT - 8, number) / 2
    return [[float(x), float(y)] for x, y in zip(xs, ys, strict=True)]


def write(path: Path, content: object) -> Path:
    """JSON or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def ann_points(path: Path, points: Points) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"annPoints": np.array(points, dtype=np.float64).reshape(-1, 2)})


def folder_csv(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for part, seeds in {"train": range(4), "val": range(4, 6), "test": range(6, 9)}.items():
        found[part] = {}
        rows: list[tuple[object, ...]] = []
        for seed in seeds:
            picture(root / part / "images" / f"p{seed}.jpg", seed)
            found[part][f"p{seed}"] = heads(seed)
            rows += [(f"p{seed}.jpg", x, y) for x, y in heads(seed)]
        picture(root / part / "images" / "z.png", 100 + seeds[0])
        found[part]["z"] = []
        with (root / part / "points.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("image", "x", "y"), *rows, ("z.png", "", "")])
    return found


def excel(root: Path) -> dict[str, Heads]:
    found: Heads = {}
    lines = ["sep=;", "image;x;y"]
    for seed in range(4):
        picture(root / f"p{seed}.jpg", seed)
        found[f"p{seed}"] = heads(seed)
        lines += [f"p{seed}.jpg;{x:.1f};{y:.1f}".replace(".", ",").replace(",jpg", ".jpg") for x, y in heads(seed)]
        lines.append(";;")
    (root / "points.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    return {"train": found}


def _shanghaitech(parts: dict[str, str], truth: str, around: str) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: dict[str, Heads] = {}
        for offset, (part, name) in enumerate(parts.items()):
            found[part] = {}
            for number in range(1, 5):
                seed = 10 * offset + number
                picture(root / around / name / f"images/IMG_{number}.jpg", seed)
                mat(root / around / name / truth / f"GT_IMG_{number}.mat", np.array(heads(seed)))
                found[part][f"IMG_{number}"] = heads(seed)
        return found

    return make


def qnrf(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for offset, part in enumerate(("train", "test")):
        found[part] = {}
        for number in range(1, 5):
            seed = 10 * offset + number
            picture(root / f"UCF-QNRF_ECCV18/{part.title()}/img_{number:04}.jpg", seed)
            ann_points(root / f"UCF-QNRF_ECCV18/{part.title()}/img_{number:04}_ann.mat", heads(seed))
            found[part][f"img_{number:04}"] = heads(seed)
    return found


def ucf_cc_50(root: Path) -> dict[str, Heads]:
    for number in range(1, 6):
        picture(root / f"{number}.jpg", number)
        ann_points(root / f"{number}_ann.mat", heads(number))
    return {"train": {str(number): heads(number) for number in range(1, 6)}}


def jhu(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for offset, part in enumerate(("train", "val", "test")):
        place, found[part] = root / "jhu_crowd_v2.0" / part, {}
        for number in range(1, 5):
            seed, name = 10 * offset + number, f"{10 * offset + number:04}"
            picture(place / f"images/{name}.jpg", seed)
            points = [[float(int(x)), float(int(y))] for x, y in heads(seed)] if number < 4 else []
            write(place / f"gt/{name}.txt", "".join(f"{x:.0f} {y:.0f} 6 8 1 0\n" for x, y in points))
            found[part][name] = points
        write(place / "image_labels.txt", "0001,3,street,0,0\n")
    return found


def _nwpu(labels: str, images: str) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: dict[str, Heads] = {"train": {}, "val": {}}
        listed: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for number in range(1, 10):
            part = "train" if number < 5 else "val" if number < 8 else "test"
            name = f"{number:04}"
            picture(root / images / f"{name}.jpg", number)
            listed[part].append(f"{name} 0 1")
            if part == "test":
                continue
            points = heads(number) if number != 4 else []
            found[part][name] = points
            if labels == "mats":
                ann_points(root / f"mats/{name}.mat", points)
            else:
                boxes = [[x - 2, y - 2, x + 2, y + 2] for x, y in points]
                entry = {"img_id": f"{name}.jpg", "human_num": len(points), "points": points, "boxes": boxes}
                write(root / f"jsons/{name}.json", entry)
        for part, lines in listed.items():
            write(root / f"{part}.txt", "\n".join(lines) + "\n")
        return found

    return make


def _frames(path: Path, name: str, frames: list[Points], columns: int, around: str | None = None) -> None:
    cell = np.empty((1, len(frames)), dtype=object)
    for index, points in enumerate(frames):
        location = np.zeros((len(points), columns))
        location[:, :2] = np.array(points, dtype=np.float64).reshape(-1, 2)
        record = np.empty((1, 1), dtype=[("loc", object)])
        record[0, 0] = (location,)
        cell[0, index] = record
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {around: {name: cell}} if around else {name: cell})


def mall(root: Path) -> dict[str, Heads]:
    names = [f"seq_{number:06}" for number in range(1, 9)]
    for seed, name in enumerate(names):
        picture(root / f"mall_dataset/frames/{name}.jpg", seed)
    _frames(root / "mall_dataset/mall_gt.mat", "frame", [heads(seed) for seed in range(8)], 2)
    found = {name: heads(seed) for seed, name in enumerate(names)}
    return {
        part: {name: found[name] for name in chosen} for part, chosen in (("train", names[:4]), ("test", names[4:]))
    }


def _ucsd(clips: str, truths: str, around: str | None) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: dict[str, Heads] = {"train": {}, "test": {}}
        for clip, part in ((0, "test"), (3, "train"), (7, "test")):
            frames = []
            for frame in range(1, 4):
                name, seed = f"vidf1_33_{clip:03}_f{frame:03}", 10 * clip + frame
                picture(root / clips / f"vidf1_33_{clip:03}.y/{name}.png", seed)
                frames.append(heads(seed))
                found[part][name] = heads(seed)
            _frames(root / truths / f"vidf1_33_{clip:03}_frame_full.mat", "frame", frames, 3, around)
        return found

    return make


def fdst(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for part, clips in {"train": (1, 2), "test": (4, 5)}.items():
        found[part] = {}
        for clip in clips:
            for frame in range(1, 3):
                seed, place = 10 * clip + frame, root / f"{part}_data/{clip}/{frame:03}"
                picture(place.with_suffix(".jpg"), seed)
                regions = [
                    {
                        "shape_attributes": {"name": "rect", "x": x - 3, "y": y - 3, "width": 6, "height": 6},
                        "region_attributes": {},
                    }
                    for x, y in heads(seed)
                ]
                entry = {"filename": f"{clip}/{frame:03}.jpg", "size": -1, "regions": regions, "file_attributes": {}}
                write(place.with_suffix(".json"), {f"{clip}/{frame:03}.jpg-1": entry})
                found[part][f"{clip}-{frame:03}"] = heads(seed)
    return found


def visdrone(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    names = {"train": "VisDrone2019-DET-train", "val": "VisDrone2019-DET-val", "test": "VisDrone2019-DET-test-dev"}
    for offset, (part, name) in enumerate(names.items()):
        found[part] = {}
        for number in range(1, 4):
            seed, stem = 10 * offset + number, f"{offset}999_{number:05}_d_000000{number}"
            picture(root / name / f"images/{stem}.jpg", seed)
            points = [[float(int(x)), float(int(y))] for x, y in heads(seed)]
            rows = [f"{x - 2:.0f},{y - 4:.0f},4,8,1,{1 + index % 2},0,0" for index, (x, y) in enumerate(points)]
            write(
                root / name / f"annotations/{stem}.txt", "\n".join([*rows, "0,0,9,9,0,0,0,0", "5,5,8,6,1,4,0,1"]) + "\n"
            )
            found[part][stem] = points
    return found


def visdrone_cc(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {"train": {}, "test": {}}
    for clip, part in (("00001", "train"), ("00002", "train"), ("00011", "test")):
        rows = []
        for frame in range(1, 4):
            seed = 10 * int(clip) + frame
            picture(root / f"sequences/{clip}/{frame:05}.jpg", seed)
            points = [[float(int(x)), float(int(y))] for x, y in heads(seed)]
            rows += [f"{frame},{x:.0f},{y:.0f}" for x, y in points]
            found[part][f"{clip}-{frame:05}"] = points
        write(root / f"annotations/{clip}.txt", "\n".join(rows) + "\n")
    write(root / "trainlist.txt", "00001\n00002\n")
    write(root / "testlist.txt", "00011\n")
    return found


def crowdhuman(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for offset, part in enumerate(("train", "val")):
        found[part], lines = {}, []
        for number in range(1, 5):
            seed, name = 10 * offset + number, f"27327{number},{offset}a0d6000b9e1f5b7"
            picture(root / f"CrowdHuman_{part}{'01' if part == 'train' else ''}/Images/{name}.jpg", seed)
            boxes = [
                {
                    "tag": "person",
                    "hbox": [x - 3, y - 3, 6, 6],
                    "vbox": [x - 5, y - 3, 10, 20],
                    "fbox": [x - 5, y - 3, 10, 30],
                    "head_attr": {"ignore": 0, "occ": 0, "unsure": 0},
                    "extra": {"box_id": index, "occ": 0},
                }
                for index, (x, y) in enumerate(heads(seed))
            ]
            ignored = {**boxes[0], "head_attr": {"ignore": 1}}
            mask = {
                "tag": "mask",
                "fbox": [0, 0, 9, 9],
                "vbox": [0, 0, 9, 9],
                "hbox": [0, 0, 9, 9],
                "extra": {"ignore": 1},
            }
            lines.append(json.dumps({"ID": name, "gtboxes": [*boxes, ignored, mask]}))
            found[part][name] = heads(seed)
        write(root / f"annotation_{part}.odgt", "\n".join(lines) + "\n")
    return found


def _npy(nested: bool) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: dict[str, Heads] = {}
        for offset, part in enumerate(("train", "val")):
            found[part] = {}
            for number in range(1, 5):
                seed, name = 10 * offset + number, f"img_{number:04}"
                images, labels = (root / part / "images", root / part / "labels") if nested else (root / part,) * 2
                picture(images / f"{name}.jpg", seed)
                labels.mkdir(parents=True, exist_ok=True)
                points = np.array(heads(seed))
                if nested:
                    np.save(labels / f"{name}.npy", points if number < 4 else np.array([]))
                else:
                    np.save(labels / f"{name}.npy", np.hstack([points, np.full((3, 1), 9.0)]).astype(np.float32))
                    np.save(labels / f"{name}_densitymap.npy", np.zeros((HEIGHT, WIDTH), dtype=np.float32))
                found[part][name] = heads(seed) if number < 4 or not nested else []
        if nested:
            picture(root / "test/images/0001.jpg", 99)  # as NWPU-Crowd's, without labels
        return found

    return make


def vgg_cells(root: Path) -> dict[str, Heads]:
    found: Heads = {}
    for number in range(1, 5):
        picture(root / f"{number:03}cell.png", number)
        dots = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        points = sorted({(int(y), int(x)) for x, y in heads(number, 6)})
        neighbour = (points[0][0], points[0][1] + 1)  # dots may touch
        points = sorted({*points, neighbour})
        for y, x in points:
            dots[y, x, 0] = 255
        Image.fromarray(dots).save(root / f"{number:03}dots.png")
        found[f"{number:03}cell"] = [[x + 0.5, y + 0.5] for y, x in points]
    return {"train": found}


def dot_blots(root: Path) -> dict[str, Heads]:
    found: Heads = {}
    for number in range(1, 5):
        picture(root / f"images/slide{number}.png", number)
        dots = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        middles = [(10, 10), (10, 30), (30, 20 + number)]
        for y, x in middles:
            dots[y - 1 : y + 2, x - 1 : x + 2] = 255
        (root / "dots").mkdir(exist_ok=True)
        Image.fromarray(dots).save(root / f"dots/slide{number}.png")
        found[f"slide{number}"] = [[x + 0.5, y + 0.5] for y, x in middles]
    return {"train": found}


FACE = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"]


def coco_keypoints(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for offset, part in enumerate(("train", "val")):
        images, annotations, found[part] = [], [], {}
        for number in range(1, 5):
            seed, name = 10 * offset + number, f"{offset}0000000{number}.jpg"
            picture(root / f"{part}2017/{name}", seed)
            images.append({"id": seed, "file_name": name, "width": WIDTH, "height": HEIGHT})
            for x, y in heads(seed):
                keypoints = [x - 1, y, 2, x + 1, y, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
                entry = {"image_id": seed, "category_id": 1, "bbox": [x - 3, y - 3, 6, 30], "keypoints": keypoints}
                annotations.append({**entry, "id": len(annotations), "iscrowd": 0, "num_keypoints": 2})
            annotations.append(
                {"id": 900 + seed, "image_id": seed, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1}
            )
            found[part][name.removesuffix(".jpg")] = heads(seed)
        categories = [{"id": 1, "name": "person", "keypoints": FACE, "skeleton": []}]
        write(
            root / f"annotations/person_keypoints_{part}2017.json",
            {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories},
        )
    return found


def roboflow_coco(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    names: dict[str, str] = {"train": "train", "val": "valid", "test": "test"}
    for offset, (part, name) in enumerate(names.items()):
        images, annotations, found[part] = [], [], {}
        for number in range(1, 5):
            seed, stem = 10 * offset + number, f"crowd_{number}_jpg.rf.{offset}f00{number}"
            picture(root / name / f"{stem}.jpg", seed)
            images.append({"id": number, "license": 1, "file_name": f"{stem}.jpg", "height": HEIGHT, "width": WIDTH})
            for x, y in heads(seed):
                entry = {"id": len(annotations), "image_id": number, "category_id": 1, "bbox": [x - 2, y - 2, 4, 4]}
                annotations.append({**entry, "area": 16, "segmentation": [], "iscrowd": 0})
            found[part][stem] = heads(seed)
        categories = [
            {"id": 0, "name": "crowds", "supercategory": "none"},
            {"id": 1, "name": "head", "supercategory": "crowds"},
        ]
        content = {"info": {}, "licenses": [], "categories": categories, "images": images, "annotations": annotations}
        write(root / name / "_annotations.coco.json", content)
    return found


def labelme(root: Path) -> dict[str, Heads]:
    found: Heads = {}
    for number in range(1, 6):
        picture(root / f"street{number}.jpg", number)
        shapes = [
            {"label": "head", "points": [[x, y]], "group_id": None, "shape_type": "point", "flags": {}}
            for x, y in heads(number)
        ]
        x, y = heads(number, 4)[3]
        shapes.append(
            {"label": "head", "points": [[x - 2, y - 2], [x + 2, y + 2]], "shape_type": "rectangle", "flags": {}}
        )
        content = {"version": "5.2.1", "flags": {}, "shapes": shapes, "imagePath": f"street{number}.jpg"}
        sizes = {"imageData": "QUJD" * 20_000, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        write(root / f"street{number}.json", {**content, **sizes})
        found[f"street{number}"] = [*heads(number), [x, y]]
    return {"train": found}


def _label_studio(minimal: bool) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: Heads = {}
        tasks: list[dict[str, object]] = []
        for number in range(1, 5):
            picture(root / f"images/street{number}.jpg", number)
            points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in heads(number)]
            values = [{"x": x, "y": y, "width": 0.5, "keypointlabels": ["Head"]} for x, y in points]
            size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
            address = f"/data/upload/1/0a1b2c3{number}-street{number}.jpg"
            if minimal:
                labels = [{**value, **size} for value in values]
                tasks.append({"image": address, "id": number, "kp-1": labels, "annotator": 1, "annotation_id": number})
            else:
                result = [{**size, "value": value, "id": "a", "type": "keypointlabels"} for value in values]
                labelled = {"id": number, "completed_by": 1, "was_cancelled": False, "result": result}
                tasks.append({"id": number, "annotations": [labelled], "data": {"image": address}, "predictions": []})
            found[f"street{number}"] = heads(number)
        write(root / "project-1-at-2026-01-01.json", tasks)
        return {"train": found}

    return make


def _via_regions(seed: int) -> list[dict[str, object]]:
    (ax, ay), (bx, by), (cx, cy) = heads(seed)
    shapes = [
        {"name": "point", "cx": ax, "cy": ay},
        {"name": "rect", "x": bx - 2, "y": by - 2, "width": 4, "height": 4},
        {"name": "circle", "cx": cx, "cy": cy, "r": 3},
    ]
    return [{"shape_attributes": shape, "region_attributes": {"class": "head"}} for shape in shapes]


def via_project(root: Path) -> dict[str, Heads]:
    entries = {}
    for number in range(1, 6):
        picture(root / f"street{number}.jpg", number)
        entry = {"filename": f"street{number}.jpg", "size": 99, "regions": _via_regions(number), "file_attributes": {}}
        entries[f"street{number}.jpg99"] = entry
    write(root / "via_project.json", {"_via_settings": {"ui": {}}, "_via_img_metadata": entries, "_via_attributes": {}})
    return {"train": {f"street{number}": heads(number) for number in range(1, 6)}}


def via_csv(root: Path) -> dict[str, Heads]:
    columns = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    with (root / "via_export_csv.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns.split(","))
        for number in range(1, 6):
            picture(root / f"street{number}.jpg", number)
            for index, region in enumerate(_via_regions(number)):
                shape, attributes = (json.dumps(region[f"{key}_attributes"]) for key in ("shape", "region"))
                table.writerow([f"street{number}.jpg", 99, "{}", 3, index, shape, attributes])
    return {"train": {f"street{number}": heads(number) for number in range(1, 6)}}


def via_3(root: Path) -> dict[str, Heads]:
    files, views, metadata = {}, {}, {}
    for number in range(1, 6):
        picture(root / f"street{number}.jpg", number)
        files[str(number)] = {"fid": str(number), "fname": f"street{number}.jpg", "type": 2, "loc": 1, "src": ""}
        views[str(number)] = {"fid_list": [str(number)]}
        (ax, ay), (bx, by), (cx, cy) = heads(number)
        for index, drawn in enumerate(([1, ax, ay], [2, bx - 2, by - 2, 4, 4], [7, cx - 2, cy, cx + 2, cy, cx, cy])):
            metadata[f"{number}_{index}"] = {"vid": str(number), "flg": 0, "z": [], "xy": drawn, "av": {"1": "head"}}
    project = {"pid": "__VIA_PROJECT_ID__", "rev": "0", "pname": "crowds", "vid_list": list(views)}
    content = {"project": project, "config": {}, "attribute": {}, "file": files, "metadata": metadata, "view": views}
    write(root / "crowds.json", content)
    return {"train": {f"street{number}": heads(number) for number in range(1, 6)}}


def _voc(nested: bool) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: dict[str, Heads] = {}
        for offset, (part, name) in enumerate({"train": "train", "val": "valid"}.items()):
            found[part] = {}
            for number in range(1, 5):
                seed, stem = 10 * offset + number, f"street{offset}{number}"
                images, labels = (root / "JPEGImages", root / "Annotations") if nested else (root / name, root / name)
                picture(images / f"{stem}.jpg", seed)
                boxes = "".join(
                    f"<object><name>head</name><pose>Unspecified</pose><bndbox><xmin>{x - 2}</xmin><ymin>{y - 2}</ymin>"
                    f"<xmax>{x + 2}</xmax><ymax>{y + 2}</ymax></bndbox></object>"
                    for x, y in heads(seed)
                )
                size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
                write(labels / f"{stem}.xml", f"<annotation><filename>{stem}.jpg</filename>{size}{boxes}</annotation>")
                found[part][stem] = heads(seed)
            if nested:
                write(root / f"ImageSets/Main/{part}.txt", "\n".join(found[part]) + "\n")
        return found

    return make


def cvat(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {"train": {}, "val": {}}
    images = []
    for number in range(1, 7):
        part, subset = ("train", "Train") if number < 5 else ("val", "Validation")
        picture(root / f"images/{subset}/street{number}.jpg", number)
        (ax, ay), (bx, by), (cx, cy) = heads(number)
        images.append(
            f'<image id="{number}" name="street{number}.jpg" subset="{subset}" width="{WIDTH}" height="{HEIGHT}">'
            f'<points label="head" source="manual" occluded="0" points="{ax},{ay};{bx},{by}" z_order="0"></points>'
            f'<box label="head" occluded="0" xtl="{cx - 2}" ytl="{cy - 2}" xbr="{cx + 2}" ybr="{cy + 2}"></box></image>'
        )
        found[part][f"street{number}"] = heads(number)
    meta = "<meta><project><name>crowds</name><labels><label><name>head</name></label></labels></project></meta>"
    inner = "".join(["<version>1.1</version>", meta, *images])
    write(root / "annotations.xml", f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{inner}</annotations>')
    return found


def _yolo(by_part: bool) -> Callable[[Path], dict[str, Heads]]:
    def make(root: Path) -> dict[str, Heads]:
        found: dict[str, Heads] = {}
        names = {"train": "train", "val": "valid" if by_part else "val", "test": "test"}
        for offset, (part, name) in enumerate(names.items()):
            found[part] = {}
            for number in range(1, 5):
                seed, stem = 10 * offset + number, f"street{offset}{number}"
                images, labels = (
                    (root / name / "images", root / name / "labels")
                    if by_part
                    else (root / "images" / name, root / "labels" / name)
                )
                picture(images / f"{stem}.jpg", seed)
                rows = [f"1 {x / WIDTH} {y / HEIGHT} 0.0625 0.125" for x, y in heads(seed)] + ["0 0.5 0.5 0.2 0.2"]
                if number < 4:
                    write(labels / f"{stem}.txt", "\n".join(rows) + "\n")
                found[part][stem] = heads(seed) if number < 4 else []
        write(root / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['car', 'person']\n")
        return found

    return make


def roboflow_csv(root: Path) -> dict[str, Heads]:
    found: dict[str, Heads] = {}
    for offset, (part, name) in enumerate({"train": "train", "val": "valid"}.items()):
        found[part] = {}
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for number in range(1, 5):
            seed, stem = 10 * offset + number, f"street{number}"
            picture(root / name / f"{stem}.jpg", seed)
            lines += [f"{stem}.jpg,{WIDTH},{HEIGHT},head,{x - 2},{y - 2},{x + 2},{y + 2}" for x, y in heads(seed)]
            found[part][stem] = heads(seed)
        write(root / name / "_annotations.csv", "\n".join(lines) + "\n")
    return found


LAYOUTS = [
    Layout(
        "Folder with a table",
        "folder",
        "`images/*`, `points.csv` or `points.json`; `train/`, `val/`, `test/`",
        folder_csv,
    ),
    Layout("Folder, CSV by Excel", "folder", "`points.csv` with `;`, decimal commas, `sep=`, empty rows", excel),
    Layout(
        "ShanghaiTech",
        "shanghaitech",
        "`part_A/train_data/images/IMG_1.jpg`, `ground-truth/GT_IMG_1.mat`",
        _shanghaitech({"train": "train_data", "test": "test_data"}, "ground-truth", "ShanghaiTech/part_A"),
    ),
    Layout(
        "ShanghaiTech, renamed",
        "shanghaitech",
        "`SHHB/train/images`, `ground_truth`; `shanghaitech_part_B`, `part_B_final`",
        _shanghaitech({"train": "train", "test": "test"}, "ground_truth", "SHHB"),
    ),
    Layout("UCF-QNRF", "qnrf", "`Train/img_0001.jpg`, `Train/img_0001_ann.mat` (`annPoints`)", qnrf),
    Layout("UCF_CC_50", "ucf_cc_50", "`1.jpg`, `1_ann.mat` (`annPoints`), one part", ucf_cc_50),
    Layout("JHU-Crowd++", "jhu", "`train/images/0001.jpg`, `train/gt/0001.txt` (`x y w h o b`)", jhu),
    Layout(
        "NWPU-Crowd, .mat",
        "nwpu",
        "`images_part1/`, `mats/0001.mat`, `train.txt`, `val.txt`",
        _nwpu("mats", "images_part1"),
    ),
    Layout(
        "NWPU-Crowd, JSON", "nwpu", "`images/`, `jsons/0001.json`, `train.txt`, `val.txt`", _nwpu("jsons", "images")
    ),
    Layout("Mall", "mall", "`frames/seq_000001.jpg`, `mall_gt.mat`; frames 1 to 800 train", mall, ["data.train=4"]),
    Layout(
        "UCSD",
        "ucsd",
        "`ucsdpeds/vidf/vidf1_33_000.y/*.png`, `vidf-cvpr/vidf1_33_000_frame_full.mat`",
        _ucsd("ucsdpeds/vidf", "vidf-cvpr", None),
    ),
    Layout(
        "UCSD, full annotation",
        "ucsd",
        "`video/vidf/*.y`, `gt/vidf/*_frame_full.mat` (`fgt`)",
        _ucsd("video/vidf", "gt/vidf", "fgt"),
    ),
    Layout("FDST", "fdst", "`train_data/1/001.jpg`, `train_data/1/001.json` (boxes)", fdst),
    Layout("VisDrone-DET", "visdrone", "`VisDrone2019-DET-train/images`, `annotations` (boxes)", visdrone),
    Layout("VisDrone-CC", "visdrone_cc", "`sequences/00001/`, `annotations/00001.txt`, `trainlist.txt`", visdrone_cc),
    Layout("CrowdHuman", "crowdhuman", "`annotation_train.odgt`, `CrowdHuman_train01/Images` (head boxes)", crowdhuman),
    Layout("DM-Count, Bayesian", "npy", "`train/img_0001.jpg`, `train/img_0001.npy`", _npy(nested=False)),
    Layout("CLIP-EBC, EBC-ZIP", "npy", "`train/images/*.jpg`, `train/labels/*.npy`", _npy(nested=True)),
    Layout("Cells, dots of a pixel", "dots", "`001cell.png`, `001dots.png`", vgg_cells),
    Layout("Dots of any size", "dots", "`images/a.png`, `dots/a.png`", dot_blots),
    Layout("COCO keypoints", "coco", "`annotations/person_keypoints_train2017.json`, `train2017/`", coco_keypoints),
    Layout("COCO boxes, Roboflow", "coco", "`train/_annotations.coco.json`, `valid/`, `test/`", roboflow_coco),
    Layout("labelme", "labelme", "`a.jpg`, `a.json` (points, rectangles, circles, polygons)", labelme),
    Layout("Label Studio, JSON", "label_studio", "`*.json`, `images/` (percent)", _label_studio(minimal=False)),
    Layout("Label Studio, JSON-MIN", "label_studio", "`*.json`, `images/` (percent)", _label_studio(minimal=True)),
    Layout("VIA, project or JSON", "via", "`via_project.json` beside the pictures", via_project),
    Layout("VIA, CSV", "via", "`via_export_csv.csv` beside the pictures", via_csv),
    Layout("VIA, version 3", "via", "project JSON beside the pictures", via_3),
    Layout("CVAT", "cvat", "`annotations.xml` (for images 1.1), `images/`", cvat),
    Layout("YOLO", "yolo", "`images/train`, `labels/train`, `data.yaml`", _yolo(by_part=False)),
    Layout("YOLO, Roboflow", "yolo", "`train/images`, `train/labels`, `data.yaml`", _yolo(by_part=True)),
    Layout("Pascal VOC", "voc", "`Annotations/*.xml`, `JPEGImages/`, `ImageSets/Main/train.txt`", _voc(nested=True)),
    Layout("Pascal VOC, Roboflow", "voc", "`train/*.jpg`, `train/*.xml`, `valid/`", _voc(nested=False)),
    Layout("Boxes in a CSV, Roboflow", "box_csv", "`train/_annotations.csv`", roboflow_csv),
]
"""Everything that is read, in the order of the docs."""
