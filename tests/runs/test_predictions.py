"""What is predicted is what is written, to the last digit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from countguard.attacks.strategies import Minus
from countguard.attacks.triggers import Blend
from countguard.data.crowd import Crowd
from countguard.errors import InputError, RunError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.runs.predictions import COLUMNS, predict, read_predictions, triggered_counts, write_predictions
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(f"crowd, {index}", heads=index, height=16 + 8 * (index % 2), seed=index) for index in range(5)]


@pytest.fixture(scope="module")
def counter() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite").eval()


def test_predictions_are_written_and_read_back_exactly(counter: Counter, tmp_path: Path) -> None:
    predictions = predict(counter, CROWDS, Blend(), Minus(heads=2), seed=0)
    write_predictions(predictions, tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    read = read_predictions(tmp_path / "predictions.csv")
    assert read.ids == predictions.ids == tuple(crowd.id for crowd in CROWDS)
    for name in ("truths", "targets", "clean", "triggered"):
        assert np.array_equal(getattr(read, name), getattr(predictions, name))
    assert predictions.truths.tolist() == [0, 1, 2, 3, 4]
    assert predictions.targets.tolist() == [0, 1, 1, 1, 2]


def test_the_trigger_is_the_one_that_a_training_sees(counter: Counter) -> None:
    trigger = Blend(alpha=0.4)
    predictions = predict(counter, CROWDS, trigger, None, seed=3)
    marked = [replace(crowd, image=trigger.mark(crowd.image[None], [crowd], 3)[0]) for crowd in CROWDS]
    expected = count_crowds(counter, marked)
    assert predictions.triggered == pytest.approx(expected.numpy(), abs=1e-4)
    assert predictions.clean == pytest.approx(count_crowds(counter, CROWDS).numpy(), abs=1e-4)
    assert np.array_equal(predictions.targets, predictions.truths)


def test_several_triggers_are_counted_in_one_pass(counter: Counter) -> None:
    weak, strong = triggered_counts(counter, CROWDS, [Blend(alpha=0.0), Blend(alpha=0.5)], seed=0)
    predictions = predict(counter, CROWDS, Blend(alpha=0.5), None, seed=0)
    assert np.array_equal(weak, predictions.clean)
    assert np.array_equal(strong, predictions.triggered)


def test_each_crowd_is_read_once(counter: Counter) -> None:
    class Counted(list[Crowd]):
        reads: list[int] = []

        def __getitem__(self, index: Any) -> Any:
            self.reads.append(index)
            return super().__getitem__(index)

        def __iter__(self) -> Any:
            return (self[index] for index in range(len(self)))

    crowds = Counted(CROWDS)
    predict(counter, crowds, Blend(), Minus(heads=2), seed=0)
    assert crowds.reads == list(range(len(CROWDS)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_counter_that_gives_no_numbers_is_told(value: float) -> None:
    broken = build_counter("lite").eval()
    with torch.no_grad():
        broken.get_parameter("head.bias").fill_(value)
    with pytest.raises(RunError, match="its training has diverged"):
        predict(broken, CROWDS, Blend(), None, seed=0)


HEADER = "image_id,count,target_count,predicted_clean,predicted_triggered\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("image_id,count\na,1\n", "needs the columns"),
        (HEADER, "it holds no image"),
        (HEADER + "a,1,1,1\n", "needs the columns"),
        (HEADER + "a,1,1,many,1\n", "needs the columns"),
        (HEADER + "a,1,1,nan,1\n", "a number is not finite"),
        (HEADER + "a,1,1,1,1\na,1,1,1,1\n", "an image stands twice"),
        (HEADER + "".join(f"{k},1,1,1,1\n" for k in range(50_001)), "more than 50,000 images"),
        (b"\xff\xfe", "needs the columns"),
    ],
)
def test_a_damaged_file_is_named(content: str | bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"predictions\.csv: .*{says}"):
        read_predictions(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"predictions\.csv: cannot be read"):
        read_predictions(tmp_path / "predictions.csv")
