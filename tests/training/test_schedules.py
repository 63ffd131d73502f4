"""Learning rates at their corners."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countguard.errors import InputError
from countguard.studies.resolve import recipe_from
from countguard.training.schedules import Constant, Cosine, WarmRestarts

LR = 1e-4


def test_constant_stays() -> None:
    assert [Constant().at(epoch, 100, LR) for epoch in (0, 0.5, 99, 100)] == [LR] * 4


def test_cosine_at_its_corners() -> None:
    cosine = Cosine(floor=1e-6)
    assert cosine.at(0, 100, LR) == LR
    assert cosine.at(50, 100, LR) == pytest.approx((LR + 1e-6) / 2)
    assert cosine.at(100, 100, LR) == pytest.approx(1e-6)
    assert cosine.at(101, 100, LR) == pytest.approx(1e-6)
    assert Cosine().at(100, 100, LR) == 0


def test_cosine_with_warmup_rises_first() -> None:
    cosine = Cosine(warmup=5)
    assert 0 < cosine.at(0, 100, LR) < LR / 1000
    assert cosine.at(2.5, 100, LR) == pytest.approx(LR / 2, rel=1e-3)
    assert cosine.at(5, 100, LR) == LR
    assert cosine.at(52.5, 100, LR) == pytest.approx(LR / 2)
    assert Cosine(warmup=10).at(7, 5, LR) == pytest.approx(0.7 * LR, rel=1e-3)  # a training that ends while it warms up


def test_warm_restarts_at_their_corners() -> None:
    restarts = WarmRestarts()
    assert restarts.at(0, 150, LR) == 1e-6
    assert restarts.at(25, 150, LR) == pytest.approx((1e-6 + LR) / 2)
    assert restarts.at(49, 150, LR) < LR
    for restart in (50, 55, 65, 85, 125):  # cosines of 5, 10, 20, 40, ... epochs
        assert restarts.at(restart, 150, LR) == LR
        assert restarts.at(restart - 1, 150, LR) < LR
    for last, period in ((54, 5), (64, 10), (84, 20)):
        expected = 1e-7 + (LR - 1e-7) * (1 + math.cos(math.pi * (period - 1) / period)) / 2
        assert restarts.at(last, 150, LR) == pytest.approx(expected)
    assert restarts.at(60, 150, LR) == pytest.approx((LR + 1e-7) / 2)


def test_warm_restarts_change_once_an_epoch_and_may_restart_evenly() -> None:
    restarts = WarmRestarts(warmup=0, period=3, growth=1)
    assert restarts.at(1.99, 9, LR) == restarts.at(1, 9, LR) != restarts.at(2, 9, LR)
    assert [restarts.at(epoch, 9, LR) for epoch in (0, 3, 6)] == [LR] * 3


@given(
    schedule=st.one_of(
        st.builds(Cosine, warmup=st.floats(0, 20), floor=st.floats(0, LR)),
        st.builds(
            WarmRestarts,
            warmup=st.integers(0, 20),
            warmup_lr=st.floats(0, LR),
            period=st.integers(1, 20),
            growth=st.integers(1, 4),
            floor=st.floats(0, LR),
        ),
    ),
    epoch=st.floats(0, 500),
    epochs=st.integers(1, 500),
)
def test_no_schedule_leaves_its_range(schedule: Cosine | WarmRestarts, epoch: float, epochs: int) -> None:
    least = min(schedule.floor, schedule.warmup_lr) if isinstance(schedule, WarmRestarts) else 0
    assert least * (1 - 1e-9) <= schedule.at(epoch, epochs, LR) <= LR * (1 + 1e-9)


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({"lr": 0}, "training.lr"),
        ({"lr": "fast"}, "training.lr"),
        ({"epochs": 0}, "training.epochs"),
        ({"average": 1.0}, "training.average"),
        ({"weight_decay": math.inf}, "training.weight_decay"),
        ({"clip_gradient": math.nan}, "training.clip_gradient"),
        ({"schedule": {"kind": "step"}}, "training.schedule"),
        ({"schedule": {"kind": "warm_restarts", "period": 0}}, "training.schedule.period"),
        ({"precision": "fp8"}, "training.precision"),
        ({"select": "best_test"}, "training.select"),
        ({"momentum": 0.9}, "training.momentum"),
        ({"augmentation": {"crop": {"zoom": [2, 1]}}}, "training.augmentation.crop"),
        ({"augmentation": {"crop": {"zoom": [1, -5]}}}, "training.augmentation.crop.zoom"),
    ],
)
def test_wrong_settings_are_named(training: dict[str, object], says: str) -> None:
    raw = {
        "name": "wrong",
        "data": {"kind": "synthetic"},
        "model": {"kind": "lite"},
        "attack": {"strategies": []},
        "training": training,
    }
    with pytest.raises(InputError, match=rf"here: {says}\b"):
        recipe_from(raw, "here")
