"""Kills a small study at random instants (SIGKILL), lets it go on, and compares it with an undisturbed one.

    python tests/faults/kill_study.py --kills 20 --seed 0

Compared to the last digit: results.csv but for the seconds, every predictions.csv, and the bytes of every counter.
"""

import argparse
import csv
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "recipes" / "tiny.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kill_and_compare(Path(folder), arguments.kills, arguments.seed)


def kill_and_compare(folder: Path, kills: int, seed: int) -> None:
    """Runs the study undisturbed, then again with `kills` kills; raises AssertionError where the two differ."""
    undisturbed, disturbed = folder / "undisturbed", folder / "disturbed"
    started = time.monotonic()
    assert start(undisturbed).wait() == 0, "the undisturbed study failed"
    whole = time.monotonic() - started
    print(f"undisturbed: {whole:.1f} s", flush=True)
    instants = random.Random(seed)
    for number in range(kills):
        process = start(disturbed)
        instant = instants.uniform(0.0, whole)
        try:
            process.wait(timeout=instant)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        finished = len(list(disturbed.glob("cells/*/card.json")))
        print(f"kill {number + 1}: after {instant:.1f} s, {finished} cells finished", flush=True)
        if finished == len(list(undisturbed.glob("cells/*/card.json"))):
            compare(undisturbed, disturbed)
            disturbed = disturbed.with_name(f"disturbed-{number}")  # the next kill gets a study with work left in it
    assert start(disturbed).wait() == 0, "the disturbed study did not go on"
    compare(undisturbed, disturbed)
    print("the same results")


def start(out: Path) -> "subprocess.Popen[bytes]":
    """A run that may be interrupted at every epoch."""
    command = [sys.executable, "-m", "countguard", "run", str(RECIPE), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--set", "machine.resume_seconds=0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def compare(one: Path, other: Path) -> None:
    assert results(one) == results(other), f"{one}/results.csv and {other}/results.csv differ"
    cells = sorted(path.name for path in (one / "cells").iterdir())
    assert cells == sorted(path.name for path in (other / "cells").iterdir())
    for cell in cells:
        for name in ("predictions.csv", "counter.safetensors"):
            digests = [hashlib.sha256((study / "cells" / cell / name).read_bytes()).digest() for study in (one, other)]
            assert digests[0] == digests[1], f"{cell}/{name} differs"
        leftovers = [path.name for path in (other / "cells" / cell).iterdir() if "part" in path.name]
        assert len(leftovers) <= 1, f"{cell}: {leftovers} were left behind"


def results(study: Path) -> list[dict[str, str]]:
    with (study / "results.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


if __name__ == "__main__":
    main()
