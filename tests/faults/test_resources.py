"""What the machine can do to a run: full and read-only disks, memory, lost devices, Ctrl-C. It ends with a sentence."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import RunError
from countguard.models.lite import Lite
from countguard.studies import cell_run
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study
from countguard.training.callbacks import History
from study_results import results

SMALL = [
    *("data.train=4", "data.test=2", "attack.strategies=[{kind: minus, heads: 10}]", "attack.rate=0.5"),
    *("defenses=[]", "evaluation.examples=1", "evaluation.shares=[]", "training.epochs=1", "training.batch_size=2"),
    *("machine.threads=1", "machine.resume_seconds=0"),
]
"""Two cells in a second."""


@pytest.fixture
def recipe() -> Recipe:
    return read_recipe("tiny", SMALL)


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters stay as they are built: what is tested are the files around them."""

    def untrained(*args: object, **settings: object) -> History:
        history = History()
        history.rows = [{"epoch": 1, "loss": 1.0, "learning_rate": 1e-3, "seconds": 0.0}]
        return history

    monkeypatch.setattr(cell_run, "fit", untrained)


def cards(study: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in study.glob("cells/*/card.json")}


def files(study: Path) -> set[str]:
    return {str(path.relative_to(study)) for path in study.rglob("*")}


def refusal(work: Callable[[], object]) -> str | None:
    """What a run says that cannot go on; None where it ends well."""
    try:
        work()
    except RunError as error:
        return str(error)
    return None


class Failing:
    """A call of the system that fails at its k-th time, and counts."""

    def __init__(self, call: Callable[..., object], error: int, at: int) -> None:
        self.call, self.error, self.at, self.calls = call, error, at, 0

    def __call__(self, *arguments: object, **options: object) -> object:
        self.calls += 1
        if self.calls == self.at:
            raise OSError(self.error, os.strerror(self.error))
        return self.call(*arguments, **options)


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(("call", "error"), [("fsync", errno.ENOSPC), ("replace", errno.EROFS)], ids=str)
def test_a_disk_that_fails_at_any_write_loses_nothing_that_was_finished(
    call: str, error: int, recipe: Recipe, tmp_path: Path
) -> None:
    uninterrupted = run_study(recipe, tmp_path / "uninterrupted")
    system = getattr(os, call)
    at, failed = 1, True
    while failed:
        study = tmp_path / f"disturbed-{at}"
        failing = Failing(system, error, at)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, call, failing)
            said = refusal(partial(run_study, recipe, study))
        failed = said is not None
        assert said is None or (os.strerror(error) in said and str(study) in said)
        finished = cards(study)
        run_study(recipe, study)
        assert cards(study).items() >= finished.items()
        assert results(study) == results(uninterrupted)
        assert files(study) == files(uninterrupted)
        at += 1
    assert at > 10, "the system's call is not the one that the study makes"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), r"training\.batch_size.*bf16-mixed"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "the device was lost while training"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory ran out while training"),
        (MemoryError(), "memory ran out while training"),
    ],
)
def test_what_a_device_does_to_a_training_keeps_the_cells_before(
    error: Exception, says: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, trained = Lite.loss, 0

    def loss(self: Lite, images: Tensor, points: list[Tensor], **options: Any) -> Tensor:
        nonlocal trained
        trained += 1
        if trained == 3:  # the second cell's first step
            raise error
        return whole(self, images, points, **options)

    monkeypatch.setattr(Lite, "loss", loss)
    with pytest.raises(RunError, match=says):
        run_study(recipe, tmp_path)
    finished = cards(tmp_path)
    assert list(finished) == ["clean-attacked-s0"]
    run_study(recipe, tmp_path)
    assert len(results(tmp_path)) == 2
    assert cards(tmp_path)["clean-attacked-s0"] == finished["clean-attacked-s0"]


@pytest.mark.usefixtures("_no_training")
def test_memory_that_runs_out_while_counting_is_told(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> Crowd:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Lite, "count", full)
    with pytest.raises(RunError, match=r"out of memory while counting; a smaller data\.scale"):
        run_study(recipe, tmp_path)


def start(*arguments: str, limit: int | None = None) -> "subprocess.Popen[str]":
    """The command line in a process of its own; `limit` is the largest file that it may write, bytes."""

    def limited() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "countguard", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def small(*more: str) -> list[str]:
    """The small study's settings, some of them changed."""
    changed = {setting.partition("=")[0] for setting in more}
    return [*(setting for setting in SMALL if setting.partition("=")[0] not in changed), *more]


def command(study: Path, *more: str) -> list[str]:
    settings = [part for setting in small(*more) for part in ("--set", setting)]
    return ["run", "tiny", "--out", str(study), *settings]


def one_line(process: "subprocess.Popen[str]", *codes: int) -> str:
    """What the command says at its end, which is one line."""
    _, said = process.communicate(timeout=300)
    assert process.returncode in codes, said
    (line,) = said.splitlines()
    assert line.startswith("countguard: ")
    return str(line)


@pytest.mark.parametrize("limit", [100_000, 1_000_000], ids=["counter", "resume_point"])
def test_a_full_disk_ends_the_command_with_a_sentence(limit: int, tmp_path: Path) -> None:
    line = one_line(start(*command(tmp_path / "run"), limit=limit), 1)
    assert "File too large" in line
    assert str(tmp_path / "run") in line
    assert not list(tmp_path.rglob("*.part"))


def test_a_place_that_nobody_may_write_to_ends_the_command_with_a_sentence() -> None:
    line = one_line(start(*command(Path("/proc/countguard"))), 1)
    assert "/proc/countguard" in line


def interrupted(study: Path, when: Callable[[], bool], *more: str) -> str:
    process = start(*command(study, *more))
    deadline = time.monotonic() + 300
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    # a library interrupted while it is loaded makes Python end by the signal itself, which shells call 130, too
    return one_line(process, 130, -signal.SIGINT)


def test_ctrl_c_while_training_ends_cleanly_and_the_run_goes_on(tmp_path: Path) -> None:
    study, many = tmp_path / "run", "training.epochs=40"
    line = interrupted(study, lambda: bool(list(study.glob("cells/minus*/resume.ckpt"))), many)
    assert "the same command goes on" in line
    finished = cards(study)
    assert list(finished) == ["clean-attacked-s0"]
    uninterrupted = run_study(read_recipe("tiny", small(many)), tmp_path / "uninterrupted")
    run_study(read_recipe("tiny", small(many)), study)
    assert cards(study)["clean-attacked-s0"] == finished["clean-attacked-s0"]
    assert results(study) == results(uninterrupted)


def test_ctrl_c_while_the_report_is_drawn_ends_cleanly(tmp_path: Path) -> None:
    study = tmp_path / "run"
    interrupted(study, lambda: bool(list(study.glob("figures/*"))))
    assert len(cards(study)) == 2
    assert not list(study.rglob("*.part"))


def test_ctrl_c_while_libraries_are_loaded_ends_cleanly(tmp_path: Path) -> None:
    started = time.monotonic()
    interrupted(tmp_path / "run", lambda: time.monotonic() - started > 2)
    assert not (tmp_path / "run").exists()
