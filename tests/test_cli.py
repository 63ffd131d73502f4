"""The command line as it is typed: through `main`, so that lines and exit codes are those that people see."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import typer
from PIL import Image

from corpus.case import folder, mat, picture, shanghaitech
from corpus.image_cases import png
from countguard import __version__, cli
from countguard.data.shanghaitech import ShanghaiTech
from countguard.models import build_counter, load_counter, save_counter
from countguard.models.counter import Counter
from countguard.runs.lock import held
from countguard.studies.executors.workers import cores

VERBS = (
    "demo",
    "run",
    "report",
    "poison",
    "train",
    "evaluate",
    "defend",
    "count",
    "explain",
    "check",
    "web",
    "convert",
)
SMALL = shlex.split(
    "--set data.train=8 --set data.test=4 --set data.height=48 --set data.width=64 --set data.heads=[2,9] "
    "--set training.epochs=1 --set machine.threads=1 --set machine.accelerator=cpu"
)


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def countguard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command in an empty folder; a traceback would fail the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # `main` sets it where it is not set

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["countguard", *map(str, arguments)])
        capsys.readouterr()
        threads, code = torch.get_num_threads(), 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            torch.set_num_threads(threads)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counters") / "lite.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_counter(build_counter("lite"), path)
    return path


@pytest.fixture(scope="module")
def crowds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good data set of six pictures in ShanghaiTech's layout."""
    return shanghaitech(tmp_path_factory.mktemp("crowds"), images=6)


def one_line(ended: Ended, *says: str, code: int = 2) -> None:
    assert ended.code == code, ended
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("countguard: ")
    assert all(said in ended.err for said in says), ended.err


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- what a user asks first


def test_the_version_and_the_help_are_there(countguard: Run) -> None:
    assert countguard("--version") == Ended(0, f"countguard {__version__}\n", "")
    listed = countguard("--help")
    assert listed.code == 0
    assert all(verb in listed.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_shows_an_example_that_can_be_typed(verb: str, countguard: Run) -> None:
    shown = countguard(verb, "--help")
    assert shown.code == 0
    command: Any = typer.main.get_command(cli.app).commands[verb]  # type: ignore[attr-defined]
    program, typed, *arguments = shlex.split(command.epilog.removeprefix("Example: "))
    assert (program, typed) == ("countguard", verb)
    assert " ".join(command.epilog.split()[:3]) in " ".join(shown.out.split())
    command.make_context(verb, arguments)  # refuses what the verb does not take


@pytest.mark.parametrize("typed", [["nonsense"], ["poison", "synthetic"], ["run", "tiny", "--speed", "9"], ["count"]])
def test_a_command_that_does_not_exist_is_refused(typed: list[str], countguard: Run, tmp_path: Path) -> None:
    ended = countguard(*typed)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert left(tmp_path) == []


def test_nothing_heavy_is_imported_until_a_verb_needs_it() -> None:
    heavy = "{'torch', 'lightning', 'matplotlib', 'pandas', 'gradio', 'captum', 'scipy', 'open_clip', 'ray'}"
    command = f"import sys, countguard.cli; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_count_and_evaluate_need_no_lightning() -> None:
    modules = "operate.count, countguard.operate.evaluate, countguard.cli.data_option, countguard.cli.counting"
    heavy = "{'lightning', 'gradio', 'captum', 'ray', 'pandas'}"
    command = f"import sys, countguard.{modules}, countguard.attacks.from_text; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_imports_of_a_command_are_not_searched_for_garbage() -> None:
    code = (
        "import gc; from countguard.cli.starting import importing\n"
        "with importing():\n    assert not gc.isenabled(); import torch\n"
        "assert gc.isenabled(); frozen = gc.get_freeze_count(); assert frozen > 50_000, frozen\n"
        "with importing():\n    assert gc.isenabled()\n"
        "assert gc.get_freeze_count() == frozen"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_installed_command_ends_as_main_does(tmp_path: Path) -> None:
    """Once for real: another process, the script that pip installed."""
    script = Path(sys.executable).with_name("countguard")
    command = [str(script), "poison", "nowhere", "--out", "out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "countguard: nowhere: is not there; the path should name the data set's folder\n"
    assert left(tmp_path) == []


# --- bad input: one line that names file and field, exit code 2, nothing written


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("name: [", "is no YAML"),
        ("name: !!python/object/apply:os.system ['touch owned']", "is no YAML"),
        ("name: x", "data: Field required"),
        ("[1, 2]", "a recipe is a mapping"),
    ],
)
def test_a_bad_recipe(recipe: str, says: str, countguard: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(recipe)
    one_line(countguard("run", "bad.yaml", "--out", "run"), "bad.yaml: ", says)
    assert left(tmp_path) == ["bad.yaml"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.lr=fast", "tiny.yaml: training.lr: "),
        ("training.speed=1", "tiny.yaml: training.speed: "),
        ("attack.strategies.0.heads=-1", "tiny.yaml: attack.strategies.0.heads: "),
        ("attack.trigger.picture=cat.png", "trigger.picture: 'cat.png'"),
        ("model.weights=none.safetensors", "none.safetensors: "),
        ("data.images=99", "data.images asks for 99 images, 24 are there"),
        ("vary={training.speed: [1]}", "vary.training.speed: "),
        ("nonsense", "--set nonsense: write it as dotted.name=value"),
    ],
)
def test_a_bad_override(override: str, says: str, countguard: Run, tmp_path: Path) -> None:
    one_line(countguard("run", "tiny", "--set", override, "--out", "run"), says)
    assert left(tmp_path) == []


def break_pair(root: Path) -> str:
    (root / "part_B/train_data/ground-truth/GT_IMG_2.mat").unlink()
    return "GT_IMG_2.mat: is missing"


def break_picture(root: Path) -> str:
    image = root / "part_B/train_data/images/IMG_1.jpg"
    image.write_bytes(image.read_bytes()[:200])
    return "IMG_1.jpg: "


def make_huge(root: Path) -> str:
    image = root / "part_B/train_data/images/IMG_1.jpg"
    image.unlink()
    image.with_suffix(".png").write_bytes(png(60_000, 60_000))  # what it says it is; it has 67 bytes
    return "60000 x 60000 pixels"


def put_outside(root: Path) -> str:
    mat(root / "part_B/train_data/ground-truth/GT_IMG_1.mat", np.array([[1.0, 2.0], [999.0, 3.0]]))
    return "GT_IMG_1.mat: image_info: head 2 at (999, 3) lies outside"


def make_nan(root: Path) -> str:
    mat(root / "part_B/train_data/ground-truth/GT_IMG_2.mat", np.array([[1.0, np.nan]]))
    return "GT_IMG_2.mat: image_info: a head is NaN"


def empty_all(root: Path) -> str:
    for truth in (root / "part_B/train_data/ground-truth").iterdir():
        mat(truth, np.zeros((0, 2)))
    return "there is not one head in its 2 images"


@pytest.mark.parametrize("damage", [break_pair, break_picture, make_huge, put_outside, make_nan, empty_all])
@pytest.mark.parametrize("verb", ["run", "poison", "train"])
def test_a_bad_data_set(verb: str, damage: Callable[[Path], str], countguard: Run, tmp_path: Path) -> None:
    says = damage(shanghaitech(tmp_path / "data"))
    commands = {
        "run": ["run", "tiny", "--set", "data={kind: shanghaitech, root: data, part: B, split: {kind: held_back}}"],
        "poison": ["poison", "data"],
        "train": ["train", "data", "--model", "lite", "--set", "training.epochs=1"],
    }
    before = left(tmp_path)
    one_line(countguard(*commands[verb], "--out", "out"), says)
    assert left(tmp_path) == before


def test_weights_that_cannot_be_used(countguard: Run, counter: Path, tmp_path: Path) -> None:
    torch.save(load_counter(counter).state_dict(), tmp_path / "lite.pth")
    torch.save({"weights": print}, tmp_path / "evil.pth")
    save_counter(build_counter("mcnn"), tmp_path / "mcnn.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(counter.read_bytes()[:5000])
    before = left(tmp_path)
    for name, says in {
        "lite.pth": "is a pickle, which can run code when opened; convert it with: countguard convert lite.pth",
        "cut.safetensors": "not a whole safetensors file",
        "none.safetensors": "there is no such file",
    }.items():
        for command in (
            ["evaluate", name, "synthetic"],
            ["defend", name, "--clean", "synthetic", "--out", "out.safetensors"],
            ["run", "tiny", "--set", f"model.weights={name}", "--out", "run"],
        ):
            one_line(countguard(*command), name, says)
    one_line(countguard("run", "tiny", "--set", "model.weights=mcnn.safetensors"), "holds a counter of kind 'mcnn'")
    convert = ["convert", "evil.pth", "--model", "lite", "--out", "out.safetensors"]
    one_line(countguard(*convert), "evil.pth: cannot be converted")
    one_line(countguard(*convert, "--mean", "1,2"), "--mean 1,2: should be three numbers")
    assert left(tmp_path) == before


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room(countguard: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that gave out: the input is right, so that the exit code is 1."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 0))
    one_line(countguard("run", "tiny", "--out", "run"), "run: 0 MiB are free", "nothing was started", code=1)
    assert not (tmp_path / "run" / "cells").exists()


def test_an_output_folder_in_use(countguard: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with held(tmp_path / "run"):
        one_line(countguard("run", "tiny", "--out", "run"), f"run: is held by process {os.getpid()}", code=1)
    assert left(tmp_path) == ["run", "run/.lock"]


@pytest.mark.parametrize("verb", ["run", "poison"])
def test_an_output_folder_of_somebody_else(verb: str, countguard: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    what = {"run": "tiny", "poison": "synthetic"}[verb]
    one_line(countguard(verb, what, "--out", "mine"), "mine")
    (tmp_path / "file").write_text("a file")
    one_line(countguard(verb, what, "--out", "file"), "file")
    assert left(tmp_path) == ["file", "mine", "mine/thesis.tex"]


def test_a_result_without_a_place_is_refused_before_the_work(countguard: Run, counter: Path, tmp_path: Path) -> None:
    for out, says in (("missing/out.safetensors", "there is no folder missing"), (".", "is a folder")):
        one_line(countguard("train", "synthetic", "--model", "lite", "--out", out), says)
        one_line(countguard("defend", counter, "--clean", "synthetic", "--out", out), says)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("run nowhere", "nowhere: no such recipe; give a YAML file, or one of "),
        ("run tiny --executor moon", "--executor moon: should be local, processes:4, ray, or"),
        ("report nowhere", "nowhere: "),
        ("check nowhere", "nowhere: is not there"),
        ("poison synthetic --out out --strategy steal", "strategy steal: "),
        ("poison synthetic --out out --strategy minus:0", "strategy minus:0: heads: "),
        ("poison synthetic --out out --trigger blend:alpha=2", "trigger blend:alpha=2: alpha: "),
        (
            "poison synthetic --out out --trigger sparkle",
            "trigger 'sparkle' is unknown; there are blend,",
        ),
        ("poison synthetic --out out --trigger rain:0.4", "rain:0.4: '0.4' should be key=value"),
        ("poison synthetic --out out --rate 0", "attack: rate: "),
        ("poison synthetic:moon --out out", "synthetic:moon: look: "),
        ("train synthetic --model resnet --out out", "model.kind 'resnet' is unknown"),
        ("train synthetic --model lite --weights openai --out out", "model.weights 'openai' is unknown to lite"),
        ("train synthetic --model lite --out out --set training.speed=1", "--set: training.speed: "),
        ("evaluate none.safetensors synthetic", "none.safetensors: there is no such file"),
        ("count none.safetensors nowhere", "nowhere: there is no such file or folder"),
        ("explain none.safetensors nowhere", "none.safetensors: there is no such file"),
        ("web nowhere", "nowhere: "),
        ("poison synthetic --out out --trigger blend:alpha=0.1,alpha=0.2", "alpha stands twice"),
        ("poison synthetic --out out --trigger blend:kind=patch", "kind stands twice"),
        (
            "poison synthetic --out out --trigger rain:strenth=0.1",
            "strenth: Extra inputs are not permitted; got 0.1; did",
        ),
        (
            "poison synthetic --out out --set data.hieght=64",
            "hieght: Extra inputs are not permitted; got 64; did you mean height?",
        ),
        ("poison synthetic --out out --set data.test=4", "data.test has no effect here"),
        ("poison synthetic --out out --set data.test_images=4", "data.test_images has no effect here"),
        ("poison synthetic --out out --set data.train=4 --set data.train=8", "data.train is set twice"),
        ("run tiny --set attack.rate=0.1 --set attack.rate=0.2", "attack.rate is set twice"),
        ("train synthetic --model lite --out o.safetensors --set data.test=4", "data.test=4: has no effect on train"),
        (
            "train synthetic --model lite --out o.safetensors --set seeds=[1,2]",
            "seeds: holds 2; one counter is trained",
        ),
    ],
)
def test_other_bad_input(typed: str, says: str, countguard: Run, tmp_path: Path) -> None:
    one_line(countguard(*shlex.split(typed)), says)
    assert left(tmp_path) == []


@pytest.mark.parametrize("override", ["model.kind=resnet", "model.weights=openai", "vary.preset=[paper]"])
def test_a_setting_that_turns_out_wrong_while_it_is_used_names_the_recipe(override: str, countguard: Run) -> None:
    one_line(countguard("run", "tiny", "--set", override), "tiny.yaml: ")


def test_a_verb_without_memory_ends_in_one_line(
    counter: Path, countguard: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    Image.new("RGB", (32, 24)).save(tmp_path / "crowd.png")
    monkeypatch.setattr(Counter, "forward", full)
    one_line(countguard("count", counter, "crowd.png"), "the device ran out of memory", code=1)


def test_a_recipe_in_a_folder_that_holds_another_study(countguard: Run, tiny_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(tiny_study, tmp_path / "run")
    before = left(tmp_path)
    one_line(countguard("run", "demo", "--out", study), "study.yaml: holds another study (name is 'tiny' there")
    assert left(tmp_path) == before


def test_ctrl_c_says_what_was_kept(countguard: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("countguard.attacks.from_text.named_attack", press)
    one_line(countguard("poison", "synthetic", "--out", "out"), "interrupted; nothing was written", code=130)
    monkeypatch.setattr("countguard.operate.audit.audit_data", press)
    one_line(countguard("audit", "synthetic"), "interrupted; files that were finished are kept", code=130)
    monkeypatch.setattr("countguard.studies.resolve.read_recipe", press)
    for options in ([], ["--log", "log.txt"]):
        typed = [*options, "run", "tiny", "--out", "out"]
        one_line(countguard(*typed), "interrupted; what was finished is kept", code=130)


def test_a_system_error_is_one_line_and_a_bug_is_not_hidden(countguard: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "out/manifest.json")

    monkeypatch.setattr("countguard.attacks.from_text.named_attack", refuse)
    one_line(countguard("poison", "synthetic", "--out", "out"), "out/manifest.json: Permission denied", code=1)

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("countguard.attacks.from_text.named_attack", fail)
    with pytest.raises(ZeroDivisionError):
        countguard("poison", "synthetic", "--out", "out")


# --- the verbs at work


def test_run_writes_a_study_and_its_report_and_goes_on(
    countguard: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["run", "tiny", *SMALL, "--set", "attack.strategies=[{kind: minus, heads: 5}]", "--out", "run"]
    first = countguard(*command)
    assert first.code == 0, first.err
    assert "report: run/report.html" in first.out
    assert (tmp_path / "run/report.html").stat().st_size > 1000
    results = (tmp_path / "run/results.csv").read_bytes()
    cells = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/cells").rglob("*")}
    monkeypatch.setattr("countguard.reports.report.write_report", lambda folder: folder / "report.html")
    assert countguard(*command).code == 0
    assert (tmp_path / "run/results.csv").read_bytes() == results
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run/cells").rglob("*")} == cells
    assert os.listdir(tmp_path) == ["run"]  # noqa: PTH208


def test_demo_is_the_demo_recipe(countguard: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []

    def run_study(recipe: Any, folder: Path, **options: Any) -> Path:
        taken.append((recipe, folder, options["executor"]))
        return folder

    monkeypatch.setattr("countguard.studies.run.run_study", run_study)
    monkeypatch.setattr("countguard.studies.executors.base.executor_for", lambda name: f"ran by {name}")
    monkeypatch.setattr("countguard.reports.report.write_report", lambda folder: folder / "report.html")
    monkeypatch.setattr("countguard.cli.summary.summary_table", lambda folder: "the table")
    monkeypatch.setattr("countguard.cli.summary.audit_lines", lambda folder: ["what was found"])
    ended = countguard("demo", "--out", "here", "--set", "seeds=[3]")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "the table\nwhat was found\nreport: here/report.html\n"
    ((recipe, folder, executor),) = taken
    assert (recipe.name, recipe.seeds, folder, executor) == (
        "demo",
        (3,),
        Path("here"),
        f"ran by processes:{cores() + 2}",
    )
    assert countguard("run", "tiny", "--devices", "2").code == 0
    assert (taken[1][0].machine.devices, *taken[1][1:]) == (2, Path("runs/tiny"), "ran by local")


def test_poison_writes_a_set_that_reads_back(countguard: Run, crowds: Path, tmp_path: Path) -> None:
    ended = countguard("poison", crowds, "--strategy", "multiply", "--rate", "0.5", "--out", "out", "--seed", "4")
    assert (ended.code, ended.out) == (0, "written: 9 images, 3 of them poisoned\nmanifest: out/manifest.json\n"), (
        ended.err
    )
    assert ended.err.startswith("taken: 6 images")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (manifest["seed"], len(manifest["poisoned"])) == (4, 3)
    read = ShanghaiTech(root=tmp_path / "out").crowds("train")
    assert [crowd.count for crowd in read] == [2] * 6 + [4] * 3


def test_train_evaluate_and_defend_hand_on_one_counter(countguard: Run, crowds: Path, tmp_path: Path) -> None:
    fast = ["--set", "training.epochs=1", "--set", "machine.accelerator=cpu"]
    trained = countguard("train", crowds, "--model", "lite", "--out", "clean.safetensors", *fast)
    assert (trained.code, trained.out) == (0, "counter: clean.safetensors\n"), trained.err
    assert trained.err.startswith("trained on: 6 images")
    evaluate = ["evaluate", "clean.safetensors", crowds, "--strategy", "minus", "--json"]
    alone = json.loads(countguard(*evaluate).out)
    assert {"mae", "rmse", "rho_acc", "rho_acc_triggered", "rho_asr", "shift"} <= alone.keys()
    assert not {"false_asr", "net_asr"} & alone.keys()  # without a clean counter, they would say nothing
    beside = json.loads(countguard(*evaluate, "--clean", "clean.safetensors").out)
    assert beside["net_asr"]["value"] == 0
    assert beside["rho_asr"] == alone["rho_asr"]
    table = countguard("evaluate", "clean.safetensors", crowds)
    assert table.code == 0, table.err
    assert "mae" in table.out.lower()
    assert table.err.startswith("measured: 6 images (all: the set has one part")
    assert alone["images"] == 6
    defend = ["defend", "clean.safetensors", "--clean", crowds, "--out", "repaired.safetensors"]
    fast = ["--set", "defenses.0.epochs=1", "--set", "machine.accelerator=cpu", "--force"]
    repaired = countguard(*defend, *fast)
    assert repaired.code == 0, repaired.err
    assert "counter: repaired.safetensors" in repaired.out
    assert "4 clean images for the repair, 2 others to measure it." in repaired.out
    before, after = (load_counter(tmp_path / f"{name}.safetensors").state_dict() for name in ("clean", "repaired"))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    one_line(countguard(*defend, "--set", "defenses=[]"), "--set defenses: holds 0; one repair is done at a time")


def test_train_is_the_same_again(countguard: Run, crowds: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        arguments = ["--set", "training.epochs=1", "--set", "machine.accelerator=cpu", "--out", f"{name}.safetensors"]
        assert countguard("train", crowds, "--model", "lite", *arguments).code == 0
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_an_option_without_effect_is_refused(countguard: Run, counter: Path, crowds: Path) -> None:
    evaluate = ["evaluate", counter, crowds]
    one_line(countguard(*evaluate, "--clean", counter), "--clean: has an effect with --strategy alone")
    for name in ("images=2", "kernel={kind: fixed, sigma: 3}"):
        one_line(countguard(*evaluate, "--set", f"data.{name}"), "has no effect here")
    one_line(countguard(*evaluate, "--set", "data.scale=1", "--scale", "0.5"), "data.scale is set twice")
    one_line(countguard("evaluate", counter, "synthetic", "--set", "data.train=3"), "data.train has no effect here")
    one_line(countguard("check", crowds, "--set", "data.scale=2"), "data.scale has no effect here")
    one_line(countguard("convert-data", crowds, "--to", "coco", "--out", "o", "--set", "data.images=1"), "no effect")
    one_line(countguard("count", counter, crowds, "--every", "2s"), "--every: belongs to films")


def test_count_prints_what_programs_read(countguard: Run, counter: Path, crowds: Path) -> None:
    pictures = crowds / "part_B/train_data/images"
    rows = json.loads(countguard("count", counter, pictures, "--format", "json").out)
    assert len(rows["images"]) == 6
    assert rows["total"] == pytest.approx(sum(row["count"] for row in rows["images"]), abs=0.01)
    assert countguard("count", counter, pictures, "--format", "csv").out.count("\n") == 7
    assert countguard("count", counter, pictures / "IMG_1.jpg").code == 0


def test_explain_draws_a_panel_a_picture(countguard: Run, counter: Path, tmp_path: Path) -> None:
    picture(tmp_path / "crowd.png")
    ended = countguard("explain", counter, "crowd.png", "--trigger", "blend:picture=waves", "--out", "panels")
    assert (ended.code, ended.out) == (0, "panel: panels/crowd.png\n"), ended.err
    with Image.open(tmp_path / "panels/crowd.png") as panel:
        assert panel.width > 64


def test_check_tells_everything_that_is_wrong(countguard: Run, tmp_path: Path) -> None:
    good = countguard("check", folder(tmp_path / "good"))
    assert good.code == 0, good.err
    damaged = shanghaitech(tmp_path / "bad", images=3)
    put_outside(damaged)
    make_nan(damaged)
    bad = countguard("check", damaged / "part_B")
    assert bad.code == 2
    shown = " ".join((bad.out + bad.err).split())
    assert "GT_IMG_1.mat" in shown
    assert "GT_IMG_2.mat" in shown


def test_convert_makes_a_counter_of_a_pickle(countguard: Run, tmp_path: Path) -> None:
    layers = {"0": "0", "3": "2", "6": "4", "8": "5"}  # ours and those of the published weights
    published = {}
    for name, value in build_counter("mcnn").state_dict().items():
        part, *place, last = name.split(".")
        branch = f"branch{int(place[0]) + 1}.{layers[place[1]]}" if part == "columns" else "fuse.0"
        published[f"DME.{branch}.conv.{last}"] = value
    torch.save({"state_dict": published}, tmp_path / "mcnn.pth")
    ended = countguard("convert", "mcnn.pth", "--model", "mcnn", "--std", "0.2,0.2,0.2", "--out", "out.safetensors")
    assert (ended.code, ended.out) == (0, "counter: out.safetensors (mcnn)\n"), ended.err
    read = load_counter(tmp_path / "out.safetensors")
    assert read.settings()["std"] == [0.2, 0.2, 0.2]
    assert torch.equal(read.state_dict()["fuse.weight"], published["DME.fuse.0.conv.weight"])


def test_web_opens_the_page_where_it_is_told(countguard: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, ...]] = []
    pytest.importorskip("gradio", reason="the extra `web` is not installed")
    monkeypatch.setattr("countguard.web.app.serve", lambda folder, **where: opened.append((folder, *where.values())))
    assert countguard("web").code == 0
    assert countguard("web", "runs/demo", "--host", "0.0.0.0", "--port", "0", "--data-root", "sets").code == 0
    assert opened == [(None, "127.0.0.1", 7860, None), (Path("runs/demo"), "0.0.0.0", 0, Path("sets"))]
    assert countguard("web", "--port", "99999").code == 2


def test_count_prints_rows_as_they_come_and_a_bad_picture_costs_no_other(
    countguard: Run, counter: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("b.png", "c.png"):
        picture(tmp_path / "pictures" / name)
    (tmp_path / "pictures/a.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "pictures/notes.txt").write_text("hello")
    ended = countguard("count", counter, "pictures", "--format", "jsonl")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 1
    assert [row["file"] for row in rows] == [f"pictures/{name}" for name in ("a.jpg", "b.png", "c.png", "notes.txt")]
    assert ["count" in row for row in rows] == [False, True, True, False]
    assert "skipped: pictures/a.jpg: " in ended.err
    assert "ignored: pictures/notes.txt: is not called like a picture" in ended.err
    assert "1 of 3 pictures could not be counted" in ended.err
    assert countguard("count", counter, "pictures", "--skip-bad").code == 0
    one_line(countguard("count", counter, "pictures", "--strict"), "a.jpg: ")
    one_line(countguard("count", counter, "pictures/a.jpg"), "a.jpg: ")
    one_line(countguard("count", counter, "pictures/b.png", "--scale", "9"), "--scale 9: should be above 0")
    sizes: tuple[list[str], ...] = ([], ["--max-side", "32"], ["--scale", "0.5"])
    counts = [countguard("count", counter, "pictures/b.png", "--format", "csv", *size).out for size in sizes]
    assert counts[0] != counts[1] == counts[2]
    written = countguard("count", counter, "pictures", "--out", "counts.csv")
    assert written.out.startswith("counted: 2 of 3 pictures, ")
    assert (tmp_path / "counts.csv").read_text().splitlines()[0] == "file,count,problem"
    assert [name for name in left(tmp_path) if "/" not in name] == ["counts.csv", "pictures"]


def test_a_command_tells_and_logs_what_it_is_asked_to(countguard: Run, counter: Path, tmp_path: Path) -> None:
    picture(tmp_path / "crowd.png")
    count = ("count", counter, "crowd.png", "--format", "csv")
    plain = countguard(*count)
    assert (plain.code, plain.err) == (0, "")
    assert countguard("-q", *count) == plain
    train = ("train", folder(tmp_path / "data"), "--model", "lite", "--out", "out.safetensors")
    fast = ("--set", "training.epochs=2", "--set", "machine.accelerator=cpu")
    told = countguard("-v", "--log", "train.log", *train, *fast)
    assert told.code == 0, told.err
    assert "epoch 2, loss " in told.err
    assert [line.split(" INFO ")[1][:8] for line in (tmp_path / "train.log").read_text().splitlines()] == [
        "epoch 1,",
        "epoch 2,",
    ]
    one_line(countguard("-v", "-q", *count), "-v and -q: ask for one of the two")


def test_count_needs_neither_a_compiler_nor_what_only_others_need(counter: Path, tmp_path: Path) -> None:
    """A picture takes a tenth of a second, torch's compiler one to import."""
    picture(tmp_path / "crowd.png")
    heavy = "{'torchvision', 'scipy', 'matplotlib', 'lightning', 'torch._dynamo', 'jinja2', 'pandas'}"
    arguments = ["countguard", "count", str(counter), str(tmp_path / "crowd.png"), "--format", "csv"]
    command = f"import sys; sys.argv = {arguments}; from countguard import cli; cli.main()"
    wrapped = f"import atexit, sys; atexit.register(lambda: print({heavy} & set(sys.modules))); {command}"
    done = subprocess.run([sys.executable, "-c", wrapped], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
