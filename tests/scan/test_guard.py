"""The alarm at run time, and the rate of false ones."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models import build_counter, save_counter
from countguard.models.counter import Counter
from countguard.scan.conformal import conformal_threshold
from countguard.scan.guard import (
    Calibration,
    Guard,
    disagreement,
    guard_file,
    read_calibration,
    write_calibration,
)
from models.hub_server import serving


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_no_more_than_the_stated_share_of_exchangeable_scores_is_above_the_threshold(
    scores: list[float], rate: float
) -> None:
    """Each of n + 1 scores in turn plays the new one: the guarantee of split conformal prediction, counted out."""
    above = 0
    stated = rate
    for place, new in enumerate(scores):
        others = np.array([*scores[:place], *scores[place + 1 :]])
        if len(others):
            threshold, stated = conformal_threshold(others, rate)
            above += new > threshold
    assert above <= stated * len(scores) + 1e-9


def test_too_few_scores_state_a_larger_rate() -> None:
    scores = np.arange(10.0)
    assert conformal_threshold(scores, 0.01) == (9.0, 1 / 11)
    assert conformal_threshold(np.arange(99.0), 0.01) == (98.0, 0.01)
    assert conformal_threshold(np.arange(199.0), 0.01) == (197.0, 0.01)


def test_disagreement_grows_with_the_factor_and_forgives_single_people() -> None:
    counts = np.array([100.0, 100.0, 1.0, 3.0, -4.0])
    twins = np.array([100.0, 50.0, 3.0, 1.0, 0.0])
    scores = disagreement(counts, twins)
    assert scores[0] == scores[4] == 0
    assert scores[1] > 0.5 > scores[2] == pytest.approx(scores[3])


def test_a_twin_that_sees_half_raises_an_alarm(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    twin = type(brightness)(0.98)  # type: ignore[call-arg]
    guard = Guard(brightness, twin)
    calibration = guard.calibrate(crowds)
    assert (calibration.images, calibration.false_alarm_rate) == (12, pytest.approx(1 / 13))
    images = torch.stack([crowd.image for crowd in crowds])
    assert not any(look.alarm for look in guard.look(images))
    with torch.no_grad():
        twin.get_parameter("gain").fill_(0.5)
    looks = guard.look(images)
    assert all(look.alarm for look in looks)
    assert looks[0].repaired == pytest.approx(0.5 * looks[0].count, rel=1e-4)


def test_without_a_threshold_there_is_no_verdict(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    with pytest.raises(InputError, match="no threshold"):
        Guard(brightness, brightness).look(crowds[0].image[None])
    with pytest.raises(InputError, match="no clean picture"):
        Guard(brightness, brightness).calibrate([])


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_counter_that_gives_no_number_has_no_threshold_and_no_verdict(
    number: float, brightness: Counter, crowds: Sequence[Crowd]
) -> None:
    good, damaged = brightness, deepcopy(brightness)
    with torch.no_grad():
        next(damaged.parameters()).fill_(number)
    for counter, twin, named in ((damaged, good, "the counter"), (good, damaged, "the repaired counter")):
        with pytest.raises(InputError, match=f"guard: {named} gives no finite number"):
            Guard(counter, twin).calibrate(crowds)
        with pytest.raises(InputError, match=f"guard: {named} gives no finite number"):
            Guard(counter, twin, Calibration(threshold=1, false_alarm_rate=1, images=1)).look(crowds[0].image[None])


@pytest.fixture
def files(tmp_path: Path, crowds: Sequence[Crowd]) -> tuple[Path, Path]:
    """A counter and its twin with the threshold beside it."""
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    counters = [build_counter("lite", channels=2) for _ in paths]
    for path, counter in zip(paths, counters, strict=True):
        save_counter(counter, path)
    written = write_calibration(Guard(*counters).calibrate(crowds), *paths)
    assert written == guard_file(paths[1]) == tmp_path / "b.guard.json"
    return paths


def test_the_threshold_comes_back_from_its_file(files: tuple[Path, Path]) -> None:
    calibration = read_calibration(*files)
    assert calibration.images == 12
    assert calibration.threshold > 0


def test_a_threshold_of_other_counters_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    save_counter(build_counter("lite", channels=2), files[0])
    with pytest.raises(InputError, match=r"b\.guard\.json: counter is not a\.safetensors"):
        read_calibration(*files)


def test_a_counter_on_a_hub_has_a_threshold(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    address, calibration = Path("hf://me/lite/a.safetensors"), read_calibration(*files)
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.commit("me/lite", {"a.safetensors": files[0].read_bytes()})
        assert read_calibration(address, files[1]) == calibration
        write_calibration(calibration, address, files[1])
    assert read_calibration(*files) == calibration


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "is empty"), ("{", "Invalid JSON"), ('{"threshold": -1}', "threshold"), ("[]", "guard.json")],
)
def test_a_damaged_file_is_one_line(files: tuple[Path, Path], content: str, said: str) -> None:
    guard_file(files[1]).write_text(content)
    with pytest.raises(InputError, match=said):
        read_calibration(*files)


def test_a_missing_threshold_says_who_writes_it(files: tuple[Path, Path]) -> None:
    guard_file(files[1]).unlink()
    with pytest.raises(InputError, match="defend writes it"):
        read_calibration(*files)
