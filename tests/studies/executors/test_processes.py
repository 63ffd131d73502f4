"""Cells in several processes end as they do in one, also after a process, or the run itself, was killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from countguard.errors import InputError, RunError
from countguard.studies.executors.base import executor_for
from countguard.studies.recipe import Recipe
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


def test_every_epoch_is_logged_and_trainings_do_not_wait_for_the_clean_counter(
    tmp_path: Path, tiny_recipe: Recipe, tiny_study: Path
) -> None:
    study = run_study(tiny_recipe, tmp_path / "run", executor=executor_for("processes:2"), console=Console(quiet=True))
    assert results(study) == results(tiny_study)
    log = (study / "run.log").read_text()
    assert log.index("minus-attacked-s0: started") < log.index("clean-attacked-s0: finished")
    epochs = re.findall(r"INFO (\S+: epoch \d+), loss", log)
    assert sorted(epochs) == sorted(re.findall(r"INFO (\S+: epoch \d+), loss", (tiny_study / "run.log").read_text()))


def test_ctrl_c_ends_the_run_in_a_line_and_its_processes_at_once(tmp_path: Path) -> None:
    study = tmp_path / "study"
    command = [sys.executable, "-m", "countguard", "run", "tiny", "--executor", "processes:2", "--out", str(study)]
    with subprocess.Popen(
        [*command, "--set", "training.epochs=1000"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as run:
        until(lambda: len(children(run.pid)) == 2)
        workers = children(run.pid)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: while they still import
        _, said = run.communicate(timeout=60)
    assert (run.returncode, said.count("\n")) == (130, 1), said
    assert said.startswith("countguard: interrupted; what was finished is kept")
    until(lambda: not any(map(alive, workers)))


def test_a_cell_that_fails_ends_the_others_at_once(tmp_path: Path, tiny_recipe: Recipe) -> None:
    training = tiny_recipe.training.model_copy(update={"epochs": 100_000})
    recipe, study = tiny_recipe.model_copy(update={"training": training}), tmp_path / "study"
    run_study(recipe, study, executor=lambda *_: None)
    (study / "cells" / "minus-attacked-s0").mkdir()
    torch.save({"code": os.getpid}, study / "cells" / "minus-attacked-s0" / "resume.ckpt")
    with pytest.raises(InputError, match="holds more than weights"):
        run_study(recipe, study, executor=executor_for("processes:2"), console=Console(quiet=True))
    assert children(os.getpid()) == []


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
