from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countguard.metrics.intervals import Interval
from countguard.metrics.predictions import Predictions
from countguard.reports.compare import changes, trigger_effect
from countguard.runs.card import Card
from countguard.runs.run import FinishedCell

TRUTHS = np.full(20, 100.0)


def cell(
    clean: float, triggered: float, *, target: float = 50.0, seed: int = 0, ids: range = range(20)
) -> FinishedCell:
    card = Card(
        cell="c",
        dataset="d",
        model="m",
        strategy="minus",
        stage="attacked",
        seed=seed,
        images=20,
        metrics={"mae": Interval(value=0, low=0, high=0)},
    )
    predictions = Predictions(
        ids=tuple(f"IMG_{number}" for number in ids),
        truths=TRUTHS,
        targets=np.full(20, target),
        clean=np.full(20, clean),
        triggered=np.full(20, triggered),
    )
    return FinishedCell(card, Path(), predictions)


def test_change_is_repaired_minus_attacked() -> None:
    (change,) = changes([cell(90.0, 50.0)], [cell(85.0, 100.0)])
    assert change.success is not None
    assert change.success.value == -1.0
    assert change.right_when_triggered is not None
    assert change.right_when_triggered.value == 1.0
    assert change.accuracy is not None
    assert change.accuracy.value == -1.0
    assert change.error.value == pytest.approx(5.0)


def test_images_are_matched_by_name_whatever_their_order() -> None:
    before, after = cell(100.0, 50.0), cell(100.0, 50.0)
    shuffled = after.predictions
    order = np.arange(20)[::-1]
    noisy = np.linspace(40, 120, 20)
    before = replace(before, predictions=replace(before.predictions, triggered=noisy))
    after = replace(after, predictions=replace(shuffled, ids=shuffled.ids[::-1], triggered=noisy[order]))
    (change,) = changes([before], [after])
    assert change.success is not None
    assert (change.success.value, change.success.low, change.success.high) == (0.0, 0.0, 0.0)


def test_seeds_are_paired_and_those_of_one_side_left_out() -> None:
    assert len(changes([cell(1, 1, seed=0), cell(1, 1, seed=1)], [cell(1, 1, seed=1), cell(1, 1, seed=2)])) == 1
    assert changes([cell(1, 1)], [cell(1, 1, ids=range(100, 120))]) == []


def test_clean_counter_has_no_success_to_change() -> None:
    (change,) = changes([cell(100, 80, target=100)], [cell(100, 80, target=100)])
    assert change.success is None


def test_trigger_that_changes_nothing_has_no_effect() -> None:
    effect = trigger_effect(cell(50.0, 50.0))
    assert effect is not None
    assert (effect.low, effect.high) == (0.0, 0.0)
    strong = trigger_effect(cell(100.0, 50.0))
    assert strong is not None
    assert strong.value == 1.0
    assert trigger_effect(cell(1, 1, target=100.0)) is None
