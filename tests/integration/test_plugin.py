"""The example plug-in of the docs is installed, named in a recipe, and runs through study, report and page."""

import csv
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from corpus.case import picture
from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLE = EXAMPLES / "plugin"
PAGE = """
import sys
from pathlib import Path
from countguard.web.app import build_app
from countguard.models import load_counter
build_app(Path(sys.argv[1]))
print(load_counter(Path(sys.argv[1]) / "cells/crop-more_noise-s0/counter.safetensors").settings()["width"])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the example in it, put there by pip from a wheel."""
    folder = tmp_path_factory.mktemp("plugin")
    wheel = folder / "countguard_example-1.0-py3-none-any.whl"
    info = "countguard_example-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(EXAMPLE / "countguard_example.py", "countguard_example.py")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: countguard-example\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", "[countguard.plugins]\nexample = countguard_example\n")
        archive.writestr(f"{info}/RECORD", "")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder / "site"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    return folder / "site"


def python(site: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)


def test_a_plug_in_runs_through_study_report_and_page(site: Path, tmp_path: Path) -> None:
    ended = python(site, "-m", "countguard", "run", EXAMPLE / "recipe.yaml", "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr[-2000:]
    with (tmp_path / "run" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["dataset"], row["model"], row["strategy"], row["defense"]) for row in rows] == [
        ("mirrored synthetic plaza", "tiny_net", strategy, defense)
        for strategy in ("clean", "crop")
        for defense in ("", "few_heads", "more_noise")
    ]
    assert [row["stage"] for row in rows] == ["attacked", "filtered", "repaired"] * 2
    assert "filtered: few_heads" in (tmp_path / "run" / "report.html").read_text()
    assert all(row["bias"] for row in rows)
    assert (tmp_path / "run" / "figures" / "bias.svg").exists()
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Bias" in report
    pytest.importorskip("gradio", reason="the extra `web` is not installed")
    ended = python(site, "-c", PAGE, tmp_path / "run")
    assert (ended.returncode, ended.stdout.strip()) == (0, "4"), ended.stderr[-2000:]


def test_a_counter_by_class_is_trained_saved_and_counted_with(site: Path, tmp_path: Path) -> None:
    """The example's other counter, and its trigger by the name of its module."""
    settings = ["model={kind: two_scales, width: 3}", "attack.trigger.kind=countguard_example:Tint", "defenses=[]"]
    settings.append("filters=[{kind: countguard_example:FewHeads, label: fewest}]")
    overrides = [word for setting in settings for word in ("--set", setting)]
    ended = python(site, "-m", "countguard", "run", EXAMPLE / "recipe.yaml", *overrides, "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr[-2000:]
    picture(tmp_path / "crowd.png")
    counter = tmp_path / "run" / "cells" / "crop-attacked-s0" / "counter.safetensors"
    card = json.loads((tmp_path / "run" / "cells" / "crop-fewest-s0" / "card.json").read_text())
    assert (card["stage"], card["filtered"]["removed"]) == ("filtered", 3)
    ended = python(site, "-m", "countguard", "count", counter, tmp_path / "crowd.png", "--format", "csv")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert math.isfinite(float(ended.stdout.splitlines()[1].split(",")[1]))


def test_a_class_in_a_file_beside_its_recipe_needs_no_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(EXAMPLES / "beside" / "recipe.yaml", ["data.train=8", "data.test=4"])
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    folder = run_study(recipe, tmp_path / "run")
    torch.set_num_threads(threads)
    image = torch.full((3, 40, 60), 200, dtype=torch.uint8)
    darker, _ = recipe.attack.trigger(image, torch.zeros(0, 2), torch.Generator())
    assert darker[0, 20, 30] >= 195 > darker[0, 0, 0]
    assert len(list(folder.glob("cells/*/card.json"))) == 2


def test_without_the_plug_in_its_kinds_are_unknown(tmp_path: Path) -> None:
    ended = python(tmp_path, "-m", "countguard", "run", EXAMPLE / "recipe.yaml", "--out", tmp_path / "run")
    assert ended.returncode == 2
    assert "'mirrored' is unknown; there are " in ended.stderr
    assert not (tmp_path / "run").exists()
