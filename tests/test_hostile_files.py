"""Folders and names that are made to harm: nothing of the user's is overwritten, whatever a command is given."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from corpus.case import folder, picture
from countguard import cli
from countguard.data.synthetic import Synthetic
from countguard.models import build_counter, save_counter
from models import onnx_makers

Run = Callable[..., tuple[int, str, str]]
MINE = "what nobody may touch\n"


@pytest.fixture
def countguard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command in an empty folder; a traceback would fail the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["countguard", *map(str, arguments)])
        capsys.readouterr()
        threads, code = torch.get_num_threads(), 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            torch.set_num_threads(threads)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/mine").write_text(MINE)
    return tmp_path / "home/mine"


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_counter(build_counter("lite"), tmp_path / "c.safetensors")
    return tmp_path / "c.safetensors"


def refused(ended: tuple[int, str, str], says: str) -> None:
    code, out, err = ended
    assert (code, out) == (2, ""), err
    assert err.count("\n") == 1
    assert says in err


# --- pictures that explain draws


def test_explain_overwrites_no_picture(countguard: Run, counter: Path, tmp_path: Path) -> None:
    names = ["mine/IMG_1.png", "mine/IMG_2.png", "other/IMG_2.png"]
    before = {name: picture(tmp_path / name).read_bytes() for name in names}
    refused(countguard("explain", counter, "mine/IMG_1.png", "--out", "mine"), "would overwrite a picture")
    refused(countguard("explain", counter, "other/IMG_2.png", "--out", "mine"), "would overwrite a picture, IMG_2.png")
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_explain_draws_twins_apart_and_over_its_own_panels(countguard: Run, counter: Path, tmp_path: Path) -> None:
    for name in ("a/IMG_1.png", "b/IMG_1.png"):
        picture(tmp_path / name)
    for _ in range(2):
        code, out, err = countguard("explain", counter, "a/IMG_1.png", "b/IMG_1.png", "--out", "panels")
        assert (code, out) == (0, "panel: panels/IMG_1.png\npanel: panels/IMG_1-2.png\n"), err
    assert sorted(path.name for path in (tmp_path / "panels").iterdir()) == ["IMG_1-2.png", "IMG_1.png"]


def test_explain_keeps_its_limit_on_pixels(countguard: Run, counter: Path, tmp_path: Path) -> None:
    Image.new("RGB", (2001, 2000)).save(tmp_path / "large.png")
    refused(countguard("explain", counter, "large.png", "--out", "panels"), "at most 4,000,000")
    assert list((tmp_path / "panels").iterdir()) == []


# --- counters and their pages


def test_a_repair_replaces_counters_and_pages_alone(countguard: Run, counter: Path, tmp_path: Path) -> None:
    clean = folder(tmp_path / "clean")
    (tmp_path / "README.md").write_text(MINE)
    (tmp_path / "README-repair.html").write_text(MINE)
    for out, says in {
        "clean/points.csv": "holds no counter; --out should name another file",
        "c.safetensors": "is what is read",
        "README.safetensors": "README-repair.html: is there, is no earlier result, and would be overwritten",
        "rep.md": "--out should end in .safetensors",
    }.items():
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        refused(countguard("defend", counter, "--clean", clean, "--out", out), says)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    refused(countguard("train", clean, "--model", "lite", "--out", "clean/points.csv"), "holds no counter")
    refused(countguard("convert", counter, "--model", "lite", "--out", counter), "is what is read")
    refused(countguard("convert", counter, "--model", "lite", "--out", "README.md"), "holds no counter")


RESULTS = {
    "scan c.safetensors --clean clean --out out": ("scan.json", "scan.html"),
    "audit clean --out out --sarif": ("audit.json", "audit.csv", "audit.html", "audit.sarif", "recovered-3.png"),
    "defend c.safetensors --clean clean --out out/r.safetensors": ("r.guard.json", "r-repair.html"),
    "count c.safetensors clean/images/a.jpg --guard out/r.safetensors --clean clean/images": ("r.guard.json",),
    "export c.safetensors --out out/r.onnx": ("r.onnx",),
}
"""What each command writes, apart from counters."""


@pytest.mark.parametrize(("typed", "file"), [(typed, file) for typed, files in RESULTS.items() for file in files])
def test_a_result_replaces_no_file_of_the_users(
    typed: str, file: str, countguard: Run, counter: Path, tmp_path: Path
) -> None:
    folder(tmp_path / "clean")
    (tmp_path / "out").mkdir()
    if "--guard" in typed:
        (tmp_path / "out/r.safetensors").write_bytes(counter.read_bytes())
    path = tmp_path / "out" / file
    path.write_text(MINE)
    before = set(tmp_path.rglob("*"))
    code, out, err = countguard(*typed.split())
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert file in err
    assert path.read_text() == MINE
    (tmp_path / "mine").write_text(MINE)
    path.unlink()
    path.symlink_to(tmp_path / "mine")
    refused(countguard(*typed.split()), f"{file}: is a link")
    path.unlink()
    os.mkfifo(path)
    refused(countguard(*typed.split()), f"{file}: is no plain file")
    path.unlink()
    assert set(tmp_path.rglob("*")) == before - {path} | {tmp_path / "mine"}


def test_settings_beside_an_onnx_file_replace_settings_alone(countguard: Run, tmp_path: Path) -> None:
    onnx_makers.cells(tmp_path / "c.onnx")
    assert countguard("convert", "c.onnx", "--from", "unit", "--out", "c.onnx")[0] == 0
    refused(countguard("export", "c.onnx", "--out", "c.onnx"), "is what is read")
    for name, says in {"new.onnx.json": "would overwrite it", "new.onnx": "is there and is no counter"}.items():
        (tmp_path / name).write_text(MINE)
        refused(countguard("convert", "c.onnx", "--from", "unit", "--out", "new.onnx"), says)
        assert (tmp_path / name).read_text() == MINE
        (tmp_path / name).unlink()


@pytest.mark.parametrize("typed", ["explain c.safetensors a.png --out", "count c.safetensors a.png --overlays"])
@pytest.mark.parametrize("place", ["file", "pipe", "file/below", "dangling"])
def test_a_folder_of_drawings_that_cannot_be_is_bad_input(
    typed: str, place: str, countguard: Run, counter: Path, tmp_path: Path
) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "file").write_text(MINE)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    refused(countguard(*typed.split(), place), "should name a folder")
    assert (tmp_path / "file").read_text() == MINE
    assert not (tmp_path / "nowhere").exists()


def test_a_device_is_not_replaced(countguard: Run, counter: Path, tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        os.mkfifo(tmp_path / "null")
    refused(countguard("convert", counter, "--model", "lite", "--out", "null"), "null: is no plain file")
    assert not stat.S_ISREG((tmp_path / "null").stat().st_mode)


# --- the folder of a run that a stranger made


@pytest.fixture
def run(tiny_study: Path, tmp_path: Path) -> Path:
    """A stranger's run, of which only the links are the stranger's own."""
    copy = tmp_path / "run"
    subprocess.run(["cp", "-r", tiny_study, copy], check=True)
    for name in ("tables", "figures"):
        subprocess.run(["rm", "-rf", copy / name], check=True)
    return copy


@pytest.mark.parametrize("linked", ["tables", "figures"])
def test_a_report_is_not_drawn_through_a_linked_folder(linked: str, countguard: Run, run: Path, mine: Path) -> None:
    (run / linked).symlink_to(mine.parent)
    refused(countguard("report", run), f"{linked}: is a link")
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("linked", ["report.html", "tables/counters.csv", "figures/framework.png"])
def test_a_report_is_not_drawn_through_a_linked_file(linked: str, countguard: Run, run: Path, mine: Path) -> None:
    (run / linked).parent.mkdir(exist_ok=True)
    (run / linked).unlink(missing_ok=True)
    (run / linked).symlink_to(mine)
    refused(countguard("report", run), "is a link")
    assert mine.read_text() == MINE


def test_a_report_uses_no_name_that_can_be_foreseen(countguard: Run, run: Path, mine: Path) -> None:
    (run / "tables").mkdir()
    for number in range(max(1, os.getpid() - 50), os.getpid() + 50):
        (run / f"tables/.counters.csv.{number}.part").symlink_to(mine)
        (run / f".report.html.{number}.part").symlink_to(mine)
    code, _, err = countguard("report", run)
    assert code == 0, err
    assert mine.read_text() == MINE


@pytest.mark.parametrize("name", [".lock", "run.log", "results.csv", "cells"])
def test_a_run_goes_on_through_no_link(name: str, countguard: Run, run: Path, mine: Path, tmp_path: Path) -> None:
    recipe = (run / "study.yaml").rename(tmp_path / "recipe.yaml")
    (run / "study.yaml").write_bytes(recipe.read_bytes())
    (run / name).rename(tmp_path / "aside") if (run / name).exists() else None
    (run / name).symlink_to(mine.parent if name == "cells" else mine)
    refused(countguard("run", recipe, "--out", run), f"{name}: is a link")
    assert mine.read_text() == MINE
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]


def test_a_folder_may_be_called_like_markup(countguard: Run, tmp_path: Path) -> None:
    out = tmp_path / "w/[/x]"
    code, said, err = countguard(
        *("run", "tiny", "--out", out, "--set", "data.train=4", "--set", "data.test=2", "--set", "defenses=[]"),
        *("--set", "attack.strategies=[]", "--set", "training.epochs=1", "--set", "evaluation.examples=0"),
        *("--set", "evaluation.shares=[]", "--set", "machine.threads=1"),
    )
    assert code == 0, err
    assert said.endswith(f"report: {out}/report.html\n")


# --- counters that give no number


@pytest.fixture
def broken(counter: Path) -> Path:
    """Weights that are finite, and counts that are not."""
    lite = build_counter("lite")
    with torch.no_grad():
        for parameter in lite.parameters():
            parameter.mul_(0).add_(1e30)
    save_counter(lite, counter)
    return counter


def test_a_counter_that_gives_no_number_ends_with_a_line(countguard: Run, broken: Path, tmp_path: Path) -> None:
    Synthetic(train=8, test=2, height=48, width=64, heads=(2, 9))
    picture(tmp_path / "crowd.png")
    clean = folder(tmp_path / "clean")
    for number in range(6):
        picture(clean / f"images/{number}.png")
    with (clean / "points.csv").open("a") as table:
        table.writelines(f"{number}.png,1,2\n" for number in range(6))
    before = {path for path in tmp_path.rglob("*") if path.suffix != ""}
    short = ("--set", "defenses.0.epochs=1", "--set", "machine.accelerator=cpu")
    refused(countguard("count", broken, "crowd.png"), "damaged")
    refused(countguard("explain", broken, "crowd.png", "--out", "panels"), "damaged")
    refused(countguard("evaluate", broken, clean), "COUNTER: counts more people than numbers can hold")
    refused(countguard("defend", broken, "--clean", clean, "--out", "out.safetensors", *short), "c.safetensors: counts")
    refused(countguard("audit", clean, "--counter", broken, "--out", "audited"), "--counter: gives no finite number")
    refused(countguard("export", broken, "--out", "c.onnx"), "damaged")
    save_counter(build_counter("lite"), tmp_path / "good.safetensors")
    before.add(tmp_path / "good.safetensors")
    for counter, twin in ((broken, "good.safetensors"), ("good.safetensors", broken)):
        refused(countguard("count", counter, "crowd.png", "--guard", twin, "--clean", clean / "images"), "damaged")
    assert {path for path in tmp_path.rglob("*") if path.suffix != ""} == before


# --- being told to end


def terminated(tmp_path: Path, when: Callable[[subprocess.Popen[bytes]], bool], *arguments: object) -> int:
    """Starts a command, tells it to end once something is so, and gives how it ended."""
    (tmp_path / "temporary").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "countguard", *map(str, arguments)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not when(process):
        assert process.poll() is None, "it ended before it was told to"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.terminate()
    return process.wait(timeout=60)


def test_no_unfinished_set_stays_behind(tmp_path: Path) -> None:
    assert terminated(
        tmp_path,
        lambda _: bool(list(tmp_path.glob("new/.*.part/**/*.jpg"))),
        *("poison", "synthetic", "--out", "new/out"),
    ) == -15  # fmt: skip
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


def test_no_reader_of_pickles_stays_behind(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(100)}, tmp_path / "w.pth")
    readers: set[int] = set()

    def reading(process: subprocess.Popen[bytes]) -> bool:
        readers.update(int(child) for child in _children(process.pid))
        return bool(readers) and any((tmp_path / "temporary").iterdir())

    assert terminated(tmp_path, reading, "convert", "w.pth", "--model", "lite", "--out", "out.safetensors") == -15
    assert list((tmp_path / "temporary").iterdir()) == []
    for _ in range(600):  # it looks for its parent as soon as it has loaded its libraries
        if not any(Path(f"/proc/{reader}/exe").exists() for reader in readers):
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"a reader of pickles is still there: {readers}")
    assert not (tmp_path / "out.safetensors").exists()


def _children(process: int) -> list[str]:
    return " ".join(path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")).split()
