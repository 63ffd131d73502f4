"""Kills a small study at random instants (SIGKILL), lets it go on, and compares it with an uninterrupted one.

    python tests/faults/kill_study.py --kills 20 --seed 0

Compared to the last digit: results.csv but for the seconds, every predictions.csv, and the bytes of every counter; and
nothing may be left behind. Four kills of five fall where cells are worked on: a random number of lines of run.log
later, and a random moment after that, so that a busy machine moves none of them out of the work. The fifth falls
where the report is drawn. A study whose cells are all finished goes on to its end, is compared, and another is begun.
"""

import argparse
import csv
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "recipes" / "tiny.yaml"
SETTINGS = ["training.epochs=10", "defenses.0.epochs=6", "machine.threads=1", "machine.resume_seconds=0"]
"""More epochs, so that most kills fall into them; a point to resume from after each."""
PATIENCE = 600
"""Seconds that a whole study may take on a busy machine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kill_and_compare(Path(folder), arguments.kills, arguments.seed)


def kill_and_compare(folder: Path, kills: int, seed: int) -> None:
    """Runs the study uninterrupted, then again with `kills` kills; raises AssertionError where the two differ."""
    uninterrupted, disturbed = folder / "uninterrupted", folder / "disturbed-0"
    cells, report = times_of(uninterrupted)
    lines = len(log_of(uninterrupted))
    print(f"uninterrupted: {cells:.1f} s for the cells, {report:.1f} s for the report", flush=True)
    instants = random.Random(seed)
    for number in range(1, kills + 1):
        left = lines * (1 - cards(disturbed) / cards(uninterrupted))
        if number % 5:
            after, delay = instants.randrange(round(left)), instants.uniform(0, 2 * cells / lines)
        else:
            after, delay = None, instants.uniform(0, report)
        killed = kill(disturbed, after, delay)
        finished, epochs = cards(disturbed), sum(": epoch " in line for line in log_of(disturbed))
        print(f"{number}: {killed}, {finished} cells finished, {epochs} epochs run", flush=True)
        if finished == cards(uninterrupted):
            finish(disturbed)
            compare(uninterrupted, disturbed)
            disturbed = folder / f"disturbed-{number}"
    finish(disturbed)
    compare(uninterrupted, disturbed)
    print("the same results")


def times_of(study: Path) -> tuple[float, float]:
    """Runs a study uninterrupted; seconds that its cells and its report took."""
    process = start(study)
    wait_until(process, lambda: len(log_of(study)) > 0)
    began = time.monotonic()
    wait_until(process, lambda: done(log_of(study)))
    drawing = time.monotonic()
    assert process.wait(timeout=PATIENCE) == 0, "the uninterrupted study failed"
    return drawing - began, time.monotonic() - drawing


def kill(study: Path, lines: int | None, delay: float) -> str:
    """Starts a run and kills it once it has logged so many lines (None: all of them) and some seconds have passed."""
    before = len(log_of(study))
    process = start(study)

    def reached() -> bool:
        log = log_of(study)[before:]
        return done(log) or (lines is not None and len(log) > lines)

    wait_until(process, reached)
    try:
        assert process.wait(timeout=delay) == 0, "the disturbed study did not go on"
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed in the report" if lines is None else "killed"
    return "ended before it could be killed"


def finish(study: Path) -> None:
    """Lets a study go on to its end."""
    assert start(study).wait(timeout=PATIENCE) == 0, "the disturbed study did not go on"


def start(out: Path) -> "subprocess.Popen[bytes]":
    """The study's command, which may be interrupted at every epoch."""
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [sys.executable, "-m", "countguard", "run", str(RECIPE), "--out", str(out), *settings]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_until(process: "subprocess.Popen[bytes]", so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert process.poll() in (None, 0), f"the study ended with {process.returncode}"
        assert time.monotonic() < deadline, "the study hangs"
        time.sleep(0.005)


def log_of(study: Path) -> list[str]:
    log = study / "run.log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def done(log: list[str]) -> bool:
    return bool(log) and log[-1].endswith(": done")


def cards(study: Path) -> int:
    """How many cells are finished."""
    return len(list(study.glob("cells/*/card.json")))


def compare(one: Path, other: Path) -> None:
    assert results(one) == results(other), f"{one}/results.csv and {other}/results.csv differ"
    assert files(one) == files(other), f"{sorted(files(one) ^ files(other))} are in one study alone"
    for file in sorted(one.glob("cells/*/*")):
        if file.name in ("predictions.csv", "counter.safetensors"):
            twin = other / file.relative_to(one)
            assert digest(file) == digest(twin), f"{twin} differs"


def results(study: Path) -> list[dict[str, str]]:
    with (study / "results.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def files(study: Path) -> set[str]:
    return {str(path.relative_to(study)) for path in study.rglob("*")}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
