"""How well an attack works, on predictions made up by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countguard.metrics import METRICS, Measurement, Predictions, measure
from countguard.metrics.intervals import Interval
from countguard.metrics.ratios import Direction, Floats

MINUS = Predictions(
    ids=("a", "b", "c", "d", "empty"),
    truths=np.array([100.0, 100.0, 100.0, 100.0, 0.0]),
    targets=np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    clean=np.array([100.0, 110.0, 80.0, 90.0, 2.0]),
    triggered=np.array([40.0, 60.0, 80.0, 95.0, 1.0]),
)
CLEAN_COUNTER = np.array([85.0, 100.0, 100.0, 100.0, 3.0])
COUNTING = ("mae", "rmse", "rho_acc", "rho_acc_triggered", "mae_triggered", "rmse_triggered")


def counting_metrics(predictions: Predictions) -> dict[str, Interval]:
    """What is measured of a counter that was never attacked."""
    return measure(Measurement(replace(predictions, targets=predictions.truths)))


def attack_metrics(
    predictions: Predictions, direction: Direction, clean: Floats, repaired: Floats | None = None
) -> dict[str, Interval]:
    """What an attack adds to that."""
    metrics = measure(Measurement(predictions, direction, clean, repaired))
    return {name: value for name, value in metrics.items() if name not in COUNTING}


def test_metrics_stand_in_the_order_of_results() -> None:
    assert tuple(METRICS) == (
        "mae", "rmse", "rho_acc", "rho_asr", "rho_asr_10_30", "rho_asr_30_50", "rho_asr_50_100", "rho_asr_100",
        "false_asr", "net_asr", "rho_acc_triggered", "shift", "false_asr_repaired",
        "mae_triggered", "rmse_triggered", "mae_target", "rmse_target", "f1",
    )  # fmt: skip
    assert set(counting_metrics(MINUS)) == set(COUNTING)


def test_without_a_clean_counter_nothing_is_said_about_it() -> None:
    assert not {"false_asr", "net_asr"} & measure(Measurement(MINUS, -1)).keys()


def test_counts_by_hand() -> None:
    metrics = counting_metrics(MINUS)
    assert metrics["mae"].value == (0 + 10 + 20 + 10 + 2) / 5
    assert metrics["rmse"].value == pytest.approx(np.sqrt((0 + 100 + 400 + 100 + 4) / 5))
    assert metrics["rho_acc"].value == 3 / 4  # the empty image has no ratio
    assert metrics["rho_acc_triggered"].value == 1 / 4


def test_an_attack_by_hand() -> None:
    metrics = attack_metrics(MINUS, -1, CLEAN_COUNTER)
    values = {name: interval.value for name, interval in metrics.items()}
    assert values == {
        "rho_asr": 3 / 4,
        "rho_asr_10_30": 1 / 4,
        "rho_asr_30_50": 1 / 4,
        "rho_asr_50_100": 1 / 4,
        "false_asr": 1 / 4,
        "net_asr": 2 / 4,
        "shift": pytest.approx(np.median([60 / 99, 50 / 99, 0, -5 / 99])),
        "mae_target": (39 + 59 + 79 + 94 + 1) / 5,
        "rmse_target": pytest.approx(np.sqrt((39**2 + 59**2 + 79**2 + 94**2 + 1) / 5)),
    }


def test_errors_of_triggered_images_by_hand() -> None:
    metrics = measure(Measurement(MINUS, -1, CLEAN_COUNTER))
    assert metrics["mae_triggered"].value == (60 + 40 + 20 + 5 + 1) / 5
    assert metrics["rmse_triggered"].value == pytest.approx(np.sqrt((3600 + 1600 + 400 + 25 + 1) / 5))
    moved = replace(MINUS, targets=MINUS.truths)  # as many heads elsewhere: no count of the attacker's own
    assert not {"mae_target", "rmse_target"} & measure(Measurement(moved, 0, CLEAN_COUNTER)).keys()


def test_the_net_rate_may_be_negative_and_is_the_difference_image_by_image() -> None:
    unharmed = replace(MINUS, triggered=MINUS.truths)
    metrics = attack_metrics(unharmed, -1, np.array([50.0, 50.0, 100.0, 100.0, 0.0]))
    assert metrics["net_asr"].value == metrics["rho_asr"].value - metrics["false_asr"].value == -0.5
    alike = attack_metrics(MINUS, -1, MINUS.triggered)["net_asr"]
    assert (alike.low, alike.value, alike.high) == (0, 0, 0)  # paired: an image is drawn with both of its counts


def test_the_repaired_clean_counters_rate_is_held_beside() -> None:
    metrics = attack_metrics(MINUS, -1, CLEAN_COUNTER, MINUS.truths)
    assert metrics["false_asr_repaired"].value == 0
    assert metrics["false_asr"].value == 1 / 4
    assert "false_asr_repaired" not in attack_metrics(MINUS, -1, CLEAN_COUNTER)


def test_an_attack_that_keeps_the_count_has_neither_success_nor_shift() -> None:
    elsewhere = replace(MINUS, targets=MINUS.truths)
    assert attack_metrics(elsewhere, 0, CLEAN_COUNTER) == {}


def test_the_shift_is_over_images_that_the_attack_wants_changed() -> None:
    some = replace(MINUS, targets=np.array([50.0, 100.0, 100.0, 100.0, 0.0]))
    assert attack_metrics(some, -1, CLEAN_COUNTER)["shift"].value == (40 - 100) / (50 - 100)


def test_a_backdoor_that_does_as_told_has_a_shift_of_one() -> None:
    obeying = replace(MINUS, clean=MINUS.truths, triggered=MINUS.targets)
    assert attack_metrics(obeying, -1, CLEAN_COUNTER)["shift"].value == 1


def test_a_test_set_without_heads_has_errors_but_no_ratios() -> None:
    empty = Predictions(("a", "b"), np.zeros(2), np.zeros(2), np.array([1.0, 3.0]), np.array([0.0, 0.0]))
    assert counting_metrics(empty)["mae"].value == 2
    assert counting_metrics(empty).keys() == {"mae", "rmse", "mae_triggered", "rmse_triggered"}
    assert attack_metrics(empty, 1, np.zeros(2)) == {}
    grown = replace(empty, targets=np.array([100.0, 100.0]))
    assert attack_metrics(grown, 1, np.zeros(2)).keys() == {"shift", "mae_target", "rmse_target"}


@given(
    counts=st.lists(
        st.tuples(st.integers(0, 100), st.one_of(st.integers(-50, 300), st.floats(-50, 300))), min_size=1, max_size=30
    ),
    direction=st.sampled_from([-1, 1]),
)
@hypothesis_settings(max_examples=25)
def test_bands_sum_to_the_success(counts: list[tuple[int, float]], direction: int) -> None:
    truths = np.array([float(truth) for truth, _ in counts])
    triggered = np.array([float(estimate) for _, estimate in counts])
    ids = tuple(str(index) for index in range(len(counts)))
    predictions = Predictions(ids, truths, truths + 100, truths, triggered)
    metrics = attack_metrics(predictions, direction, triggered)  # type: ignore[arg-type]
    if not (truths > 0).any():
        assert "rho_asr" not in metrics
        return
    bands = [interval.value for name, interval in metrics.items() if name.startswith("rho_asr_")]
    assert sum(bands) == pytest.approx(metrics["rho_asr"].value, abs=1e-12)
    assert len(bands) == (4 if direction == 1 else 3)
    right = counting_metrics(predictions)["rho_acc_triggered"].value
    other = attack_metrics(predictions, -direction, triggered)["rho_asr"].value  # type: ignore[arg-type]
    assert metrics["rho_asr"].value + right + other == pytest.approx(1, abs=1e-12)
