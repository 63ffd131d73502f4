"""What the tabs that audit and count answer."""

import gc
import itertools
import shutil
import time
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from countguard.data.writing import write_folder
from countguard.errors import InputError
from countguard.models import build_counter, load_counter, save_counter
from countguard.operate import count_film
from countguard.scan.guard import Calibration, write_calibration
from countguard.web import inspect_tab
from countguard.web.audit_tab import AuditTab
from countguard.web.count_tab import NO_GUARD, CountTab
from countguard.web.inspect_tab import InspectTab
from countguard.web.long_work import LongWork
from countguard.web.packaged import packaged_counters
from planted_crowds import planted_crowds

VISITOR: Any = SimpleNamespace(session_hash="somebody")


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root") / "suspect"
    write_folder(planted_crowds(poisoned=range(8)), folder)
    return folder


@pytest.fixture(scope="module")
def zip_file(poisoned: Path) -> Path:
    path = poisoned.parent / "suspect.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(poisoned.rglob("*")):
            archive.write(file, file.relative_to(poisoned.parent))
    return path


def last(answers: Any) -> tuple[str, Any]:
    *_, end = answers
    return end[0], end[1:]


def test_the_hidden_picture_of_a_dropped_set_appears(zip_file: Path) -> None:
    html, (report,) = last(AuditTab(None).answer(str(zip_file), "", VISITOR))
    assert "suspect.zip: poisoned" in html
    assert "What the images of this group share" in html
    assert "<dd>8</dd>" in html
    page = Path(report["value"])
    assert "countguard audit" in page.read_text()
    assert not (page.parent / "set").exists()


def test_a_folder_below_the_root_is_audited_and_no_other(poisoned: Path, tmp_path: Path) -> None:
    tab = AuditTab(poisoned.parent)
    html, _ = last(tab.answer(None, "suspect", VISITOR))
    assert "suspect: poisoned" in html
    (poisoned.parent / "link").symlink_to(tmp_path)
    for name in ("..", "../x", str(tmp_path), "none", "link"):
        html, _ = last(tab.answer(None, name, VISITOR))
        assert 'role="alert"' in html
    html, _ = last(AuditTab(None).answer(None, "suspect", VISITOR))
    assert "started without --data-root" in html


def test_nothing_and_nonsense_get_a_sentence(tmp_path: Path) -> None:
    for blank in (" ", None):  # gradio gives None for a box that is not shown
        html, _ = last(AuditTab(None).answer(None, blank, VISITOR))
        assert "Drop a zip file first" in html
    assert "Drop a zip file first" in html
    (tmp_path / "a.zip").write_bytes(b"no zip")
    html, _ = last(AuditTab(None).answer(str(tmp_path / "a.zip"), "", VISITOR))
    assert "a.zip: cannot be unpacked" in html
    assert str(tmp_path) not in html


def test_the_server_keeps_no_result_that_was_given() -> None:
    class Result:
        """As large as it likes."""

    work, kept = LongWork(outputs=0), []

    def make(say: Any) -> tuple[Any, ...]:
        result = Result()
        kept.append(weakref.ref(result))
        return (result,)

    assert isinstance(list(work.answers(VISITOR, make))[-1][0], Result)
    until = time.monotonic() + 30  # the thread that made it may end a moment later
    while kept[0]() is not None and time.monotonic() < until:
        time.sleep(0.01)
        gc.collect()
    assert kept[0]() is None


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    files = [tmp_path / f"{name}.png" for name in ("one", "two")]
    for number, file in enumerate(files):
        Image.effect_noise((96, 64), 40 + number).convert("RGB").save(file)
    (tmp_path / "three.png").write_bytes(b"no picture")
    return [str(file) for file in [*files, tmp_path / "three.png"]]


@pytest.fixture
def counters(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name in ("suspect", "repaired"):
        with torch.random.fork_rng():
            torch.manual_seed(len(name))
            save_counter(build_counter("lite"), tmp_path / f"{name}.safetensors")
        files[name] = tmp_path / f"{name}.safetensors"
    calibration = Calibration(threshold=0.0, false_alarm_rate=0.01, images=100)
    write_calibration(calibration, files["suspect"], files["repaired"])
    return files


def test_pictures_are_counted_with_maps_and_alarms_and_a_bad_one_loses_none(
    pictures: list[str], counters: dict[str, Path]
) -> None:
    tab = CountTab(counters)
    html, (maps, files) = last(tab.answer(pictures, "suspect", None, "repaired", "1s", VISITOR))
    assert html.count("ALARM") == 2
    assert "2 of 2 pictures raise an alarm" in html
    assert "not counted: three.png" in html
    assert str(Path(pictures[0]).parent) not in html
    assert [Path(path).name for path, _ in maps["value"]] == ["one-density.png", "two-density.png"]
    assert Path(files["value"][0]).read_text().count("yes") == 2
    html, _ = last(tab.answer(pictures[:1], "suspect", None, NO_GUARD, "1s", VISITOR))
    assert "repaired" not in html


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dropped": None}, "Drop pictures or a film first"),
        ({"counter": None}, "No counter is chosen"),
        ({"every": "often"}, "should be a time or a number of frames"),
    ],
)
def test_what_is_missing_is_said(
    changes: dict[str, Any], says: str, pictures: list[str], counters: dict[str, Path]
) -> None:
    asked = {"dropped": pictures[:1], "counter": "suspect", "own": None, "guard": NO_GUARD, "every": "1s"}
    html, _ = last(CountTab(counters).answer(**(asked | changes), request=VISITOR))
    assert says in html


def test_the_counters_of_the_package_load_and_are_small() -> None:
    files = packaged_counters()
    assert all(load_counter(file).kind == "lite" for file in files.values())
    assert sum(file.stat().st_size for file in files.values()) < 2_000_000


def street(path: Path) -> Path:
    """Two seconds of a film."""
    av = pytest.importorskip("av", reason="films need the extra video")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        picture = Image.effect_noise((96, 64), 40).convert("RGB")
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


def test_a_film_is_counted_over_time(tmp_path: Path, counters: dict[str, Path]) -> None:
    path = street(tmp_path / "street.mp4")
    html, (maps, files) = last(CountTab(counters).answer([str(path)], "suspect", None, "repaired", "0.4s", VISITOR))
    assert "street.mp4" in html
    assert "5 of 5 pictures raise an alarm" in html
    assert [Path(shown).name for shown, _ in maps["value"]] == ["street-counts.png"]
    names = {Path(file).name for file in files["value"]}
    assert {"counts.csv", "street-density.mp4", "street-counts.csv"} <= names
    shutil.rmtree(Path(files["value"][0]).parent)


def test_a_damaged_film_loses_no_other_count(
    tmp_path: Path, pictures: list[str], counters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    dropped = [str(tmp_path / "bad.mp4"), str(street(tmp_path / "cut.mp4")), pictures[0]]
    whole = count_film.film_frames

    def cut(film: Path, pace: Any) -> Iterator[Any]:
        yield from itertools.islice(whole(film, pace), 2)
        raise InputError(f"{film}: is damaged after 2 frames")

    monkeypatch.setattr(count_film, "film_frames", cut)
    html, (_, files) = last(CountTab(counters).answer(dropped, "suspect", None, NO_GUARD, "0.4s", VISITOR))
    assert "not counted: bad.mp4: is no film" in html
    assert "Not counted to its end: cut.mp4: is damaged after 2 frames" in html
    assert str(tmp_path) not in html
    written = [Path(file) for file in files["value"]]
    assert all(file.stat().st_size for file in written)
    tables = {file.name: file.read_text() for file in written if file.name.startswith("counts")}
    assert "one.png" in tables["counts.csv"]
    assert tables["counts-of-films.csv"].count("cut.mp4") == 2
    assert "bad-density.mp4" not in {file.name for file in written}


def test_films_of_one_name_and_pictures_beside_them_are_all_in_the_tables(
    tmp_path: Path, pictures: list[str], counters: dict[str, Path]
) -> None:
    (tmp_path / "other").mkdir()
    dropped = [str(street(tmp_path / "street.mp4")), pictures[0], str(street(tmp_path / "other" / "street.mp4"))]
    html, (_, files) = last(CountTab(counters).answer(dropped, "suspect", None, NO_GUARD, "1s", VISITOR))
    assert html.count("street.mp4") == 2
    written = [Path(file) for file in files["value"]]
    assert all(file.is_file() for file in written)
    assert len(set(written)) == len(written)
    assert [file.name for file in written].count("street-density.mp4") == 2
    tables = {file.name: file.read_text() for file in written if file.name.startswith("counts")}
    assert "one.png" in tables["counts.csv"]
    assert tables["counts-of-films.csv"].count("street.mp4") == 4
    shutil.rmtree(written[0].parent)


def test_a_dropped_counter_is_inspected(pictures: list[str], counters: dict[str, Path]) -> None:
    html, (report,) = last(InspectTab().answer(str(counters["suspect"]), pictures, None, VISITOR))
    assert "suspect.safetensors: cannot tell" in html
    assert "What triggers do to it" in html
    assert "not counted: three.png" in html
    assert str(Path(pictures[0]).parent) not in html
    assert "countguard inspect" in Path(report["value"]).read_text()


def test_what_stops_an_inspection_is_said(
    pictures: list[str], counters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"countguard: {counters['suspect']}: the disk is full"
    monkeypatch.setattr(inspect_tab, "_run", lambda command, say: (1, said))  # the code of a bad picture, too
    html, _ = last(InspectTab().answer(str(counters["suspect"]), pictures, None, VISITOR))
    assert ">suspect.safetensors: the disk is full<" in html


def test_what_cannot_be_inspected_gets_a_sentence(pictures: list[str], tmp_path: Path) -> None:
    html, _ = last(InspectTab().answer(None, pictures, None, VISITOR))
    assert "Drop a counter" in html
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    html, _ = last(InspectTab().answer(str(tmp_path / "bad.pth"), pictures, None, VISITOR))
    assert "bad.pth" in html
    assert str(tmp_path) not in html
    assert "Traceback" not in html
