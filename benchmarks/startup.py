"""How long a process of its own takes: `countguard --help`, and one small picture beside `import torch` alone."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path

from torchvision.io import write_png

from benchmarks.harness import Row, at_most, compare, limit, median_seconds
from countguard.data.synthetic import Synthetic


def rows() -> Iterator[Row]:
    installed = Path(sys.executable).with_name("countguard")
    command = [str(installed)] if installed.exists() else [sys.executable, "-m", "countguard"]
    seconds = median_seconds(lambda: _run([*command, "--help"]), repeats=15)
    yield limit("countguard --help", seconds, "s", wanted=at_most(0.4))
    with (
        tempfile.TemporaryDirectory() as folder,
        as_file(files("countguard.web").joinpath("counters", "clean.safetensors")) as counter,
    ):
        picture = Path(folder) / "crowd.png"
        write_png(Synthetic(train=1, test=1).crowds("train")[0].image, str(picture))
        yield compare(
            "counting one picture of 96x128 by a command; reference: import torch",
            lambda: _run([*command, "count", str(counter), str(picture)]),
            lambda: _run([sys.executable, "-c", "import torch"]),
            wanted=at_most(1.3),
            difference=lambda ours, theirs: float(ours != theirs),
            tolerance=0.0,
        )


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL).returncode
