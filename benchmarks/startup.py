"""How long `countguard --help` takes, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Row, at_most, limit, median_seconds


def rows() -> Iterator[Row]:
    installed = Path(sys.executable).with_name("countguard")
    command = [str(installed)] if installed.exists() else [sys.executable, "-m", "countguard"]
    seconds = median_seconds(
        lambda: subprocess.run([*command, "--help"], check=True, stdout=subprocess.DEVNULL), repeats=15
    )
    yield limit("countguard --help", seconds, "s", wanted=at_most(0.4))
