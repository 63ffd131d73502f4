"""Every setting that a recipe may vary has its figure: numbers, words, lists, and more than one at a time."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countguard.reports.figures.style import style
from countguard.reports.figures.varied import draw
from countguard.reports.report import write_report
from countguard.runs.run import Run

VALUES: dict[str, tuple[str, list[Any]]] = {
    "numbers": ("attack.trigger.alpha", [0.05, 0.2, 0.1]),
    "lists": ("data.heads", [[2, 9], [4, 40]]),
    "lists of lists": ("evaluation.shares", [[], [0.1], [0.1, 0.2]]),
    "mappings": ("attack.trigger", [{"kind": "blend", "alpha": 0.1}, {"kind": "sine"}]),
    "words": ("training.optimizer", ["adam", "adamw"]),
    "words and numbers": ("model.weights", [None, "imagenet", 3]),
    "truths": ("defenses.0.originals", [True, False]),
    "signs": ("attack.trigger.picture", ["人群.png", "$x$", "a" * 300]),
}


@pytest.mark.parametrize("varied", VALUES.values(), ids=VALUES)
def test_a_varied_setting_has_its_figure(varied: tuple[str, list[Any]], make_run: Callable[..., Path]) -> None:
    run = Run.read(make_run(examples=0, strategies=("minus",), seeds=(0, 1), varied=varied))
    with warnings.catch_warnings(), style():
        warnings.simplefilter("error")
        (drawn,) = draw(run)
        assert drawn.png() == drawn.png()
        assert b"<svg" in drawn.svg()
    assert varied[0] in drawn.title
    assert " at " in drawn.alt


def test_a_report_on_a_varied_list_is_whole(make_run: Callable[..., Path]) -> None:
    folder = make_run(examples=0, strategies=("minus",), varied=VALUES["lists"])
    page = write_report(folder).read_text()
    assert (folder / "figures/varied_data_heads.png").is_file()
    assert "From left to right: [2, 9]; [4, 40]." in page
