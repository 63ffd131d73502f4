import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from countguard.data.picture_folders import find_pictures
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.operate.count import PictureCount, count_pictures
from countguard.operate.count_formats import counts_csv, counts_json, counts_table, json_line
from countguard.operate.overlay import draw_overlay, overlay

Save = Callable[..., Path]


@pytest.fixture(scope="module")
def lite() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite")


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves an embedded crowd under a name in the test's folder."""

    def write(name: str, index: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(Synthetic(test=5).crowds("test")[index].image.permute(1, 2, 0).numpy()).save(path)
        return path

    return write


def test_each_picture_is_counted_as_the_counter_counts_it(lite: Counter, save: Save) -> None:
    pictures = [save("a.png", 0), save("b.png", 1)]
    rows = list(count_pictures(lite, pictures))
    images = torch.stack([Synthetic(test=5).crowds("test")[index].image for index in range(2)])
    assert [row.count for row in rows] == pytest.approx(lite.count(as_input(images)).tolist(), rel=1e-5)


def test_folders_give_their_pictures_in_natural_order_and_each_once(save: Save, tmp_path: Path) -> None:
    for name in ("in/IMG_10.png", "in/IMG_2.png", "in/deeper/IMG_1.png", "lone.png"):
        save(name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    found = find_pictures([tmp_path / "lone.png", tmp_path / "in", tmp_path / "in" / "IMG_2.png"])
    assert [path.name for path in found.pictures] == ["lone.png", "IMG_2.png", "IMG_10.png"]
    assert [path.name for path in found.left_out] == ["deeper", "notes.txt"]
    walked = find_pictures([tmp_path / "in"], recursive=True)
    assert [path.name for path in walked.pictures] == ["IMG_10.png", "IMG_2.png", "IMG_1.png"]


def test_every_picture_of_a_camera_is_counted_and_nothing_is_left_out_unsaid(save: Save, tmp_path: Path) -> None:
    read = ["a.jpg", "b.jfif", "c.tif", "d.bmp", "e.webp", "f.png", "g.avif"]
    for name in read:
        save(f"pics/{name}")
    save("pics/cam2/x.jpg")
    save("pics/web.gif")
    (tmp_path / "pics/shot.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "pics/walk.mp4").write_bytes(b"film")
    (tmp_path / "pics/.hidden.jpg").write_bytes(b"")
    found = find_pictures([tmp_path / "pics"])
    assert [path.name for path in found.pictures] == read
    assert [path.name for path in found.left_out] == ["cam2", "shot.HEIC", "walk.mp4", "web.gif"]
    for path, why in found.left_out.items():
        assert why.startswith(f"{path}: ")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg: there is no such file"):
        find_pictures([tmp_path / "gone.jpg"])
    with pytest.raises(InputError, match="holds no picture"):
        find_pictures([tmp_path])
    with pytest.raises(InputError, match="at least one"):
        find_pictures([])


def test_a_bad_picture_ends_the_count_or_is_skipped_named_and_counted(
    lite: Counter, save: Save, tmp_path: Path
) -> None:
    good, bad = save("good.png"), tmp_path / "bad.jpg"
    bad.write_bytes(b"not a picture at all")
    with pytest.raises(InputError, match=r"bad\.jpg"):
        list(count_pictures(lite, [good, bad], strict=True))
    rows = list(count_pictures(lite, [bad, good]))
    assert [row.count is None for row in rows] == [True, False]
    assert "bad.jpg" in rows[0].problem
    assert "\n" not in rows[0].problem
    console = Console(file=io.StringIO(), width=100)
    console.print(counts_table(rows))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 counted, 1 skipped" in shown
    assert [entry["file"] for entry in json.loads(counts_json(rows))["skipped"]] == [str(bad)]


def test_a_counter_that_gives_no_number_is_an_error(save: Save) -> None:
    broken = build_counter("lite")
    with torch.no_grad():
        next(broken.parameters()).fill_(float("inf"))
    with pytest.raises(InputError, match=r"a\.png: the counter gives nan people"):
        list(count_pictures(broken, [save("a.png")]))


ROWS = [PictureCount(Path("street.png"), 57.12345), PictureCount(Path("=1+2.png"), None, "=1+2.png: is damaged")]


def test_csv_can_be_read_back_and_computes_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(counts_csv(ROWS))))
    assert rows[0] == {"file": "street.png", "count": "57.123", "problem": ""}
    assert rows[1] == {"file": "'=1+2.png", "count": "", "problem": "'=1+2.png: is damaged"}


@given(name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=30))
def test_no_name_breaks_an_output_out(name: str) -> None:
    rows = [PictureCount(Path(name), 1.0)]
    (read,) = csv.DictReader(io.StringIO(counts_csv(rows)))
    assert not read["file"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert read["file"].isprintable()
    assert len(counts_csv(rows).splitlines()) == 2
    assert json.loads(counts_json(rows))["images"][0]["count"] == 1.0
    Console(file=io.StringIO(), width=60).print(counts_table(rows))


def test_json_has_a_total_and_what_was_skipped() -> None:
    read = json.loads(counts_json(ROWS))
    assert read["images"] == [{"file": "street.png", "count": 57.123}]
    assert read["total"] == 57.123
    assert read["skipped"] == [{"file": "=1+2.png", "problem": "=1+2.png: is damaged"}]


def test_json_names_what_has_no_text_for_a_name() -> None:
    row = PictureCount(Path("notes-\udcff.txt"), None, "notes-\udcff.txt: is no picture")
    for text in (counts_json([row]), json_line(row)):
        assert text.encode().count(b"notes-\\\\udcff.txt") == 2


def test_overlays_are_written_once_a_picture_even_where_names_meet(lite: Counter, save: Save, tmp_path: Path) -> None:
    pictures = [save("one/IMG_1.png", 0), save("two/IMG_1.png", 1), save("two/img_1.webp", 2)]
    list(count_pictures(lite, pictures, overlays=tmp_path / "new" / "overlays"))
    written = sorted(path.name for path in (tmp_path / "new" / "overlays").iterdir())
    assert written == ["IMG_1-2-density.png", "IMG_1-density.png", "img_1-3-density.png"]


def test_overlays_are_drawn_over_those_of_before(lite: Counter, save: Save, tmp_path: Path) -> None:
    picture = save("a.png")
    for _ in range(2):
        list(count_pictures(lite, [picture], overlays=tmp_path / "overlays"))
    (tmp_path / "overlays/a-density.png").write_bytes(picture.read_bytes())
    with pytest.raises(InputError, match=r"would overwrite a picture, a-density\.png"):
        list(count_pictures(lite, [picture], overlays=tmp_path / "overlays"))


def test_an_overlay_never_overwrites_a_picture(lite: Counter, save: Save, tmp_path: Path) -> None:
    pictures = [save("a.png"), save("a-density.png", 1)]
    before = pictures[1].read_bytes()
    with pytest.raises(InputError, match="overwrite"):
        list(count_pictures(lite, pictures, overlays=tmp_path))
    assert pictures[1].read_bytes() == before


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_refused_before_anything_is_counted(
    folder: str, lite: Counter, save: Save, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file: is a file; --overlays should name a folder"):
        list(count_pictures(lite, [save("a.png")], overlays=tmp_path / folder))


@pytest.mark.parametrize("size", [(96, 128), (17, 33), (8, 300), (2600, 200)])
def test_an_overlay_has_the_pictures_shape(size: tuple[int, int]) -> None:
    height, width = size
    image = torch.full((3, height, width), 120, dtype=torch.uint8)
    density = torch.zeros(-(-height // 8), -(-width // 8))
    density[0, -1] = 2.0
    with Image.open(io.BytesIO(draw_overlay(image, density, 8))) as drawn:
        scale = min(2048 / max(size), max(1, 512 // max(size)))
        assert drawn.width == round(width * scale)
        caption = drawn.height - round(height * scale)
        assert 12 <= caption <= 80
        below = np.asarray(drawn.convert("L"))[-caption:]
        assert below[0].max() == 0 < 200 < below.max()  # the count stands there, below the picture


def test_colour_lies_where_the_people_are() -> None:
    density = torch.zeros(25, 25)
    density[20, 4] = 3.0
    png = draw_overlay(torch.full((3, 200, 200), 120, dtype=torch.uint8), density, 8)
    with Image.open(io.BytesIO(png)) as drawn:
        pixels = torch.from_numpy(np.array(drawn.convert("RGB"))[:400]).float()
    colourful = pixels.amax(-1) - pixels.amin(-1)
    assert colourful[328, 72] > 50
    assert colourful[200:300, 200:].max() == 0


def test_cells_of_a_map_do_not_show_as_blocks() -> None:
    density = torch.zeros(25, 25)
    density[12, 12] = 1.0
    drawn = overlay(torch.full((3, 200, 200), 120, dtype=torch.uint8), density, 8)
    row = np.asarray(drawn.convert("RGB")).astype(int)[200, :, 0]
    assert row.max() - 120 > 40
    assert np.abs(np.diff(row)).max() < 25


def test_an_empty_map_leaves_the_picture_gray() -> None:
    png = draw_overlay(torch.full((3, 64, 64), 120, dtype=torch.uint8), torch.zeros(8, 8), 8)
    with Image.open(io.BytesIO(png)) as drawn:
        assert drawn.crop((0, 256, 512, 512)).getcolors() == [(512 * 256, (119, 119, 119))]


def test_an_overlay_has_a_dot_on_each_head_that_is_found() -> None:
    image = torch.full((3, 64, 96), 128, dtype=torch.uint8)
    drawn = overlay(image, torch.zeros(8, 12), 8, torch.tensor([[24.0, 40.0], [80.0, 20.0]]))
    scale = drawn.width // 96
    pixels = torch.from_numpy(np.asarray(drawn).copy())
    for x, y in ((24, 40), (80, 20)):
        assert pixels[y * scale, x * scale].tolist() == [255, 80, 40]
    assert all(abs(value - 128) <= 1 for value in pixels[50 * scale, 60 * scale].tolist())  # gray by some weights
