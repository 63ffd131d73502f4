"""Cells in several processes end as they do in one, also after a process, or the run itself, was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from countguard.errors import InputError, RunError
from countguard.studies.executors.base import executor_for
from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study
from study_results import results

SMALL = [
    "attack.strategies=[{kind: minus, heads: 10}]",
    "training.epochs=3",
    "machine.resume_seconds=0",
    "machine.threads=1",
]


def test_a_killed_run_is_taken_up_by_other_processes(tmp_path: Path) -> None:
    recipe = read_recipe("tiny", SMALL)
    run_study(recipe, tmp_path / "one", console=Console(quiet=True))
    study = tmp_path / "several"
    overrides = [part for override in SMALL for part in ("--set", override)]
    command = [sys.executable, "-m", "countguard", "run", "tiny", *overrides, "--executor", "processes:2"]
    with subprocess.Popen([*command, "--out", str(study)], stderr=subprocess.DEVNULL) as run:
        until(lambda: bool(list(study.glob("cells/*/resume.ckpt"))))
        workers = children(run.pid)
        run.kill()
    until(lambda: not any(map(alive, workers)))
    run_study(recipe, study, executor=executor_for("processes:2"), console=Console(quiet=True))
    assert results(study) == results(tmp_path / "one")


def test_a_killed_process_ends_the_run_in_a_line(tmp_path: Path) -> None:
    def kill_the_others(*arguments: object) -> None:
        for worker in children(os.getpid()):
            os.kill(worker, signal.SIGKILL)

    recipe, study = read_recipe("tiny", SMALL), tmp_path / "study"
    run = executor_for("processes:1")
    with pytest.raises(RunError, match="killed"):
        run_study(
            recipe,
            study,
            executor=lambda cells, folder, crowds, progress, _: run(cells, folder, crowds, progress, kill_the_others),
        )
    assert (study / "cells" / "clean-attacked-s0" / "card.json").exists()


@pytest.mark.parametrize("name", ["processes:", "processes:0", "processes:-1", "processes:many"])
def test_other_numbers_of_processes_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="processes:4"):
        executor_for(name)


def until(happens: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(parent: int) -> list[int]:
    """Process numbers of those that a process has started and that work for it."""
    found = [int(task) for file in Path(f"/proc/{parent}/task").glob("*/children") for task in file.read_text().split()]
    return [task for task in found if b"spawn_main" in Path(f"/proc/{task}/cmdline").read_bytes()]


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
