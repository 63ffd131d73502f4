"""SIGTERM unwinds what was begun and still ends the process; Ctrl-C is told from errors."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from countguard.cli import main
from countguard.errors import Interrupted
from countguard.signals import errors_by_ctrl_c_interrupt, kept_when_interrupted, tidy_when_terminated

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


TURNED_INTO_AN_ERROR = """
import signal, sys
from countguard.signals import tidy_when_terminated
with tidy_when_terminated():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        {instead}
"""


@pytest.mark.parametrize("instead", ["raise ValueError('Invalid bounding box')", "pass"])
def test_a_library_that_turns_the_signal_into_an_error_does_not_keep_the_process_alive(instead: str) -> None:
    told = subprocess.run([sys.executable, "-c", TURNED_INTO_AN_ERROR.format(instead=instead)], timeout=60)
    assert told.returncode == -signal.SIGTERM


def draw_interrupted(*_: object) -> None:
    """What matplotlib does when Ctrl-C meets it while it converts a path."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("Invalid bounding box") from None


def test_an_error_that_ctrl_c_made_of_a_library_is_the_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), errors_by_ctrl_c_interrupt():
        draw_interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_its_own_stays_an_error() -> None:
    with pytest.raises(ValueError, match="its own"), errors_by_ctrl_c_interrupt():
        raise ValueError("its own")


def test_what_is_told_of_kept_work_outlives_ctrl_c() -> None:
    with (
        pytest.raises(Interrupted, match="12 kept"),
        errors_by_ctrl_c_interrupt(),
        kept_when_interrupted(lambda: "12 kept"),
    ):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with errors_by_ctrl_c_interrupt():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_command_line_ends_such_an_error_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(typer.Typer, "__call__", draw_interrupted)
    monkeypatch.setattr(sys, "argv", ["countguard", "report", "run"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert (
        capsys.readouterr().err
        == "countguard: interrupted; files that were finished are kept, and none is half-written\n"
    )
