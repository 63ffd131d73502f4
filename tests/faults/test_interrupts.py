"""Ctrl-C ends a command while it reads, whatever it reads, with a line and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from corpus.case import picture
from corpus.layout_cases import palettes
from countguard.models import build_counter, save_counter


def _pictures(root: Path) -> str:
    """Six pictures that each take a second to decode, in threads."""
    palettes(root / "set")
    return "check set"


def _exported(root: Path) -> str:
    palettes(root / "set", heads=True)
    return "poison set --out out"


def _table(root: Path) -> str:
    picture(root / "set/a.jpg")
    with (root / "set/points.csv").open("w") as table:
        table.write("image,x,y\n")
        for number in range(100_000):
            table.write(f"{number}.jpg,1,2\n" * 30)
    return "check set"


def _pickle(root: Path) -> str:
    torch.save({"weights": torch.zeros(4_000_000)}, root / "set")
    return "convert set --model lite --out out"


def _counted(root: Path) -> str:
    save_counter(build_counter("lite"), root / "c.safetensors")
    palettes(root / "set")
    return "count c.safetensors set"


@pytest.mark.parametrize("make", [_pictures, _exported, _table, _pickle, _counted])
def test_ctrl_c_ends_a_reader(make: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    command = make(tmp_path).split()
    before = set(tmp_path.rglob("*"))
    process = subprocess.Popen(
        [sys.executable, "-m", "countguard", *command],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not _reads(process.pid, tmp_path / "set"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), said
    assert said.count("\n") == 1, said
    assert said.startswith("countguard: interrupted")
    assert set(tmp_path.rglob("*")) == before


def _reads(process: int, place: Path) -> bool:
    """Whether a process, or one that it has started, has a file of this place open."""
    children = " ".join(path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")).split()
    for descriptor in [link for pid in (process, *children) for link in Path(f"/proc/{pid}/fd").glob("*")]:
        try:
            if descriptor.readlink().is_relative_to(place):
                return True
        except OSError:
            continue
    return bool(children)
