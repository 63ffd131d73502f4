"""What a run shows and logs."""

import io
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from countguard.progress import counted, duration, log, logged_to
from countguard.studies.cells import cells_of
from countguard.studies.progress import StudyProgress, epochs_shown
from countguard.studies.resolve import recipe_from
from countguard.training.settings import Training
from raw_recipe import raw_recipe

CELLS = list(cells_of(recipe_from(raw_recipe(training={"epochs": 3}, defenses=[]), "here")))


def test_the_log_tells_of_every_cell_and_epoch_with_times(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    with logged_to(tmp_path / "run.log"), StudyProgress(CELLS, console) as progress, progress.cell(CELLS[0]) as report:
        report(1, 0.123456789)
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split(" INFO ")[1] for line in lines] == [
        "clean-attacked-s0: started",
        "clean-attacked-s0: epoch 1, loss 0.123457",
        "clean-attacked-s0: finished",
    ]
    assert all(line[:4].isdecimal() for line in lines)


def test_a_log_is_added_to_and_let_go(tmp_path: Path) -> None:
    level, handlers = log.level, list(log.handlers)
    for _ in range(2):
        with logged_to(tmp_path / "run.log"):
            log.info("hello")
    log.warning("afterwards")
    assert (tmp_path / "run.log").read_text().count("hello") == 2
    assert "afterwards" not in (tmp_path / "run.log").read_text()
    assert (log.level, log.handlers) == (level, handlers)
    assert logging.getLogger("countguard") is log


def test_a_terminal_sees_epochs_and_the_time_left() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with StudyProgress(CELLS, console) as progress:
        for cell in CELLS:
            with progress.cell(cell) as report:
                report(1, 0.5)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "multiply-attacked-s0" in shown
    assert "9/9" in shown  # an interrupted cell counts in full once it is finished
    assert "left" in shown


def test_where_cells_run_at_once_each_is_named_and_their_epochs_add_up() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    with StudyProgress(CELLS, console) as progress:
        for cell in CELLS[:2]:
            progress.started(cell)
        progress.epoch(CELLS[0], 2, 0.5)
        progress.epoch(CELLS[1], 1, 0.5)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "clean-attacked-s0, minus-attacked-s0" in shown
    assert "3/9" in shown


def test_a_cell_that_is_trained_ahead_counts_once() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with StudyProgress(CELLS, console) as progress:
        for _ in range(2):
            progress.started(CELLS[1])
            progress.epoch(CELLS[1], 3, 0.5)
            progress.trained(CELLS[1])
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3/9" in shown
    assert "6/9" not in shown


def test_in_a_pipe_a_line_every_so_often_names_the_cells_that_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("countguard.progress.EVERY", 0.01)
    caplog.set_level(logging.INFO, logger="countguard.progress")
    with StudyProgress(CELLS, Console(file=io.StringIO())) as progress, progress.cell(CELLS[1]) as report:
        report(2, 0.5)
        caplog.clear()
        while not caplog.records:
            time.sleep(0.005)
    assert caplog.messages[-1].startswith("epochs: 2 of 9 done in 0 s, 0 s left (minus-attacked-s0)")


def test_the_time_left_knows_that_a_repairs_epoch_is_shorter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr("countguard.studies.progress.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("countguard.progress.EVERY", 0.01)
    caplog.set_level(logging.INFO, logger="countguard.progress")
    repair = {"kind": "fine_tune", "clean_images": 2, "epochs": 300}
    cells = list(cells_of(recipe_from(raw_recipe(defenses=[repair]), "here")))
    clean, repaired = cells[:2]
    assert (clean.key.stage, repaired.key.stage) == ("attacked", "repaired")
    each = clean.recipe.training.epochs
    with StudyProgress(cells, Console(file=io.StringIO())) as progress:

        def said() -> str:
            caplog.clear()
            while not caplog.records:
                time.sleep(0.005)
            return caplog.messages[-1]

        with progress.cell(clean) as report:
            for epoch in range(1, each + 1):
                now += 60
                report(epoch, 0.5)
        with progress.cell(repaired) as report:
            for epoch in range(1, 301):
                now += 1
                report(epoch, 0.5)
            others = (len(cells) - 2) // 2  # counters, each of which is trained and repaired
            assert f", {duration(others * (60 * each + 300))} left" in said()


def test_quiet_draws_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("countguard.progress"), "level", logging.ERROR)
    logging.getLogger("countguard.progress").manager._clear_cache()  # type: ignore[attr-defined]
    console = Console(file=io.StringIO(), force_terminal=True)
    with StudyProgress(CELLS, console) as progress, progress.cell(CELLS[0]) as report:
        report(1, 0.5)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_without_a_terminal_nothing_is_drawn() -> None:
    console = Console(file=io.StringIO())
    with StudyProgress(CELLS, console) as progress, progress.cell(CELLS[0]) as report:
        report(1, 0.5)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    with counted("pictures", 3) as progressed:
        progressed(3)


def test_where_there_is_no_terminal_a_line_comes_every_so_often(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("countguard.progress.EVERY", 0.01)
    caplog.set_level(logging.INFO, logger="countguard.progress")
    with counted("pictures", 10, start=4) as progressed:
        progressed(6)
        while not caplog.records:
            time.sleep(0.005)
    assert caplog.messages[0].startswith("pictures: 6 of 10 done in 0 s, 0 s left")
    told = len(caplog.records)
    time.sleep(0.05)
    assert len(caplog.records) == told  # nothing is told of work that has ended


@pytest.mark.parametrize(
    ("settings", "epochs", "said"),
    [({"steps": 8}, None, "epochs: 2 done"), ({"steps": 8}, 4, "epochs: 2 of 4 done"), ({}, None, "epochs: 2 of 100 ")],
)
def test_a_training_of_so_many_steps_is_not_told_to_have_the_epochs_that_it_will_not_reach(
    settings: dict[str, int],
    epochs: int | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("countguard.progress.EVERY", 0.01)
    caplog.set_level(logging.INFO, logger="countguard.progress")
    with epochs_shown(Training.model_validate(settings), epochs) as report:
        report(1, 0.5)
        report(2, 0.5)
        caplog.clear()
        while len(caplog.records) < 2:  # the first one may have begun before
            time.sleep(0.005)
        assert caplog.messages[-1].startswith(said)


@pytest.mark.parametrize(("seconds", "said"), [(8.4, "8 s"), (200, "3 min"), (7800, "2 h 10 min"), (86400, "24 h")])
def test_times_are_as_coarse_as_they_can_be_read(seconds: float, said: str) -> None:
    assert duration(seconds) == said
