"""SIGTERM unwinds what was begun, and still ends the process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from countguard.signals import tidy_when_terminated

WORKER = """
import sys, time
from pathlib import Path
from countguard.signals import tidy_when_terminated
with tidy_when_terminated():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        Path(sys.argv[1]).write_text("tidied")
"""


def test_a_terminated_process_tidies_up_and_dies_of_the_signal(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path / "said")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(timeout=30) == -signal.SIGTERM
    assert (tmp_path / "said").read_text() == "tidied"


def test_a_handler_of_somebody_elses_stays() -> None:
    def theirs(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        with tidy_when_terminated():
            assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_the_signal_ends_the_process_again(fails: bool) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        try:
            with tidy_when_terminated():
                assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
                if fails:
                    raise KeyError
        except KeyError:
            assert fails
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
