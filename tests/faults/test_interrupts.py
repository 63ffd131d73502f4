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


SAVING = """
import random, signal, sys
from pathlib import Path
import torch
from countguard.training.faults import IntoItsFolder

def press(*arguments):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, press)
path, instants = Path(sys.argv[1]), random.Random(0)
interrupted = 0
for number in range(150):
    checkpoint = {str(part): torch.full((64, 64), number) for part in range(30)}
    try:
        signal.setitimer(signal.ITIMER_REAL, instants.uniform(1e-5, 0.008))
        IntoItsFolder().save_checkpoint(checkpoint, path)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupted += 1
    if path.exists():
        parts = [part.unique().tolist() for part in torch.load(path).values()]
        assert len(parts) == 30 and all(part == parts[0] for part in parts)
assert interrupted > 5, interrupted
assert [file.name for file in path.parent.iterdir()] == [path.name]
"""


def test_a_checkpoint_that_is_interrupted_is_whole_and_ends_no_process(tmp_path: Path) -> None:
    """torch aborts the process where a signal interrupts a file that it writes to."""
    done = subprocess.run(
        [sys.executable, "-c", SAVING, str(tmp_path / "resume.ckpt")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


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
