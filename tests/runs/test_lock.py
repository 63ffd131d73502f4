"""One run at a time in a folder, and no lock outlives its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from countguard.errors import RunError
from countguard.runs.lock import held

HOLDER = """
import sys, time
from pathlib import Path
from countguard.runs.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_hears_who_holds_the_folder(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    try:
        with pytest.raises(RunError, match=rf"is held by process {holder.pid} on .+; wait for it"), held(tmp_path):
            pytest.fail("two hold it")
    finally:
        holder.kill()
        holder.communicate()


def test_a_lock_left_by_a_dead_process_is_taken_over(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert f"process {holder.pid}" in (tmp_path / ".lock").read_text()
    with held(tmp_path):
        assert f"process {os.getpid()}" in (tmp_path / ".lock").read_text()


def test_a_folder_can_be_held_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        _ = 1 / 0
    with held(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == ""


def test_two_folders_are_held_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with held(tmp_path / "one"), held(tmp_path / "two"):
        pass
