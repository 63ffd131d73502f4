"""A set is audited in several processes, or on Ray, as it is in one, byte for byte."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from countguard.attacks.blend import Blend
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.audit import audit
from countguard.audit.features import canvas_for
from countguard.audit.survey import in_order
from countguard.cli import app
from countguard.data.crowd import Crowd
from countguard.data.source import LazyCrowds
from countguard.data.synthetic import Synthetic
from countguard.data.writing import write_folder
from countguard.errors import InputError, RunError
from countguard.studies.executors.blocks import blocks_for

FILES = ("audit.json", "audit.csv", "audit.html", "recovered-1.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A poisoned set as files."""
    crowds = Synthetic(train=30, test=1).crowds("train")
    attack = Attack(trigger=Blend(), strategy=Minus(heads=100), rate=0.3, placement="replace")
    root = tmp_path_factory.mktemp("blocks") / "crowds"
    write_folder(list(PoisonedCrowds(crowds, attack, 0)), root)
    return root


def audited(folder: Path, out: Path, executor: str) -> dict[str, bytes]:
    result = CliRunner().invoke(app, ["audit", str(folder), "--out", str(out), "--executor", executor])
    assert result.exit_code == 3, result.output
    return {name: (out / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the audit in this process leaves."""
    return audited(folder, tmp_path_factory.mktemp("local"), "local")


def test_processes_leave_the_same_bytes(folder: Path, local: dict[str, bytes], tmp_path: Path) -> None:
    assert audited(folder, tmp_path, "processes:2") == local


@pytest.mark.cluster
def test_ray_leaves_the_same_bytes(folder: Path, local: dict[str, bytes], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    assert audited(folder, tmp_path, "ray") == local


class Damaged(LazyCrowds):
    """Crowds of which one cannot be read."""

    def __len__(self) -> int:
        return 20

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        if position == 13:
            raise InputError("IMG_13.jpg: is damaged")
        return Crowd(torch.full((3, 48, 64), position, dtype=torch.uint8), torch.zeros(0, 2), f"IMG_{position}")


@pytest.mark.parametrize("executor", ["local", "processes:2"])
def test_a_damaged_picture_is_one_line_wherever_it_is_read(executor: str) -> None:
    crowds: Sequence[Crowd] = Damaged()
    with pytest.raises(InputError, match=r"IMG_13\.jpg: is damaged"):
        audit(crowds, take_blocks=blocks_for(executor))


def test_an_unknown_executor_is_one_line(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["audit", str(folder), "--out", str(tmp_path / "out"), "--executor", "processes:0"]
    )
    assert isinstance(result.exception, InputError)
    assert "--executor processes:0: should be local, processes:4, ray" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_only_a_few_blocks_are_ahead_of_what_was_given() -> None:
    submitted: list[range] = []

    def submit(block: range) -> "Future[list[Any]]":
        submitted.append(block)
        task: Future[list[Any]] = Future()
        task.set_result([block.start])
        return task

    given = in_order(submit, [range(start, start + 1) for start in range(10)], ahead=3)
    assert list(next(given)) == [0]
    assert len(submitted) == 4
    assert [list(block) for block in given] == [[number] for number in range(1, 10)]


def test_a_killed_process_is_one_line() -> None:
    with pytest.raises(RunError, match="was killed"):
        list(blocks_for("processes:1")(Deadly(), canvas_for([(48, 64)]), [range(2)]))


class Deadly(LazyCrowds):
    """Ends the process that reads it."""

    def __len__(self) -> int:
        return 2

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
