"""Bad inputs through the real command: one line on stderr, exit code 2, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.case import picture
from corpus.make_corpus import CASES, make
from countguard.models import build_counter, save_counter

COMMANDS = {
    "weights_pickle_zipped": "count BAD good.jpg",
    "weights_pickle_converted": "convert BAD --model lite --out out/counter.safetensors",
    "image_bomb_png": "count good.safetensors BAD",
    "table_csv_climbs": "poison BAD --out out",
    "mat_nan": "train BAD --model lite --out out/counter.safetensors",
    "layout_check_of_nothing": "check BAD",
    "recipe_aliases": "run BAD --out out/run",
    "recipe_vary_a_billion": "run BAD --out out/run",
    "recipe_number_of_base_60": "run BAD --out out/run",
    "layout_name_of_two_lines": "poison BAD --out out/set",
    "layout_name_of_no_utf8": "train BAD --model lite --out out/counter.safetensors",
    "mat_many_dimensions": "evaluate good.safetensors BAD",
    "image_bomb_scans_not_progressive": "explain good.safetensors BAD --out out",
}
"""A case of the corpus, and a command that is given it for BAD."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    picture(folder / "good.jpg")
    save_counter(build_counter("lite"), folder / "good.safetensors")
    (folder / "out").mkdir()
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_input_ends_the_command_with_one_line(name: str, good: Path, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == name)
    bad = make(case, tmp_path)
    before = files(good) | files(tmp_path)
    arguments = [str(bad) if word == "BAD" else word for word in COMMANDS[name].split()]
    command = [sys.executable, "-m", "countguard", *arguments]
    done = subprocess.run(command, cwd=good, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("countguard: ")
    assert case.says in line
    assert files(good) | files(tmp_path) == before


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def environment() -> dict[str, str]:
    """Ours, with the threads that tests may take."""
    return os.environ | {"OMP_NUM_THREADS": "1"}
