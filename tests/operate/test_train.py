"""A training for one file goes on where it was interrupted, and says first how long it takes."""

import time
from pathlib import Path

import pytest

from countguard.data.synthetic import Synthetic
from countguard.errors import Interrupted
from countguard.operate.recipe import operator_recipe
from countguard.operate.train import train_counter
from interrupting import interrupted_until_done

DATA = Synthetic(train=6, test=1, height=48, width=64, heads=(2, 9))
SHORT = ["training.batch_size=3", "machine.accelerator=cpu", "machine.threads=1"]


def test_an_interrupted_training_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    recipe = operator_recipe(DATA, "lite", [*SHORT, "training.epochs=30", "machine.resume_seconds=0"])
    heard: list[int] = []

    def press(epoch: int, loss: float) -> None:
        heard.append(epoch)
        if heard == list(range(1, 12)):
            raise KeyboardInterrupt

    out = tmp_path / "out.safetensors"
    with pytest.raises(Interrupted, match=r"kept in .*out\.safetensors\.part, and the same command goes on"):
        train_counter(recipe, out, press)
    assert not out.exists()
    train_counter(recipe, out, press)
    assert heard == [*range(1, 12), *range(11, 31)]


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    recipe = operator_recipe(DATA, "lite", [*SHORT, "training.epochs=30", "machine.resume_seconds=0"])

    def train(name: str) -> None:
        train_counter(recipe, tmp_path / f"{name}.safetensors")

    began = time.monotonic()
    train("whole")
    interrupted_until_done(lambda: train("torn"), time.monotonic() - began, times=6)
    assert (tmp_path / "torn.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["torn.safetensors", "whole.safetensors"]


@pytest.mark.parametrize(("epochs", "told"), [(30, True), (2, False)])
def test_a_long_training_says_how_long_it_takes_and_is_not_changed_by_that(
    epochs: int, told: bool, tmp_path: Path
) -> None:
    recipe = operator_recipe(DATA, "lite", [*SHORT, f"training.epochs={epochs}"])
    said: list[str] = []
    train_counter(recipe, tmp_path / "a.safetensors", tell=said.append)
    train_counter(recipe, tmp_path / "b.safetensors")
    assert bool(said) == told
    assert all(line.startswith("time: about ") and "here (60 steps, " in line for line in said)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
