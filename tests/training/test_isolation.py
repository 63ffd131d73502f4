"""Images whose labels an early counter contradicts are left out of the rest of a training."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from countguard.data.loading import EpochBatches
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.runs.card import Card, LeftOut
from countguard.runs.folder import RunFolder
from countguard.studies.resolve import recipe_from
from countguard.studies.run import run_study
from countguard.training import isolation
from countguard.training.fit import Machine, fit
from countguard.training.isolation import Isolation, losses_over_count
from countguard.training.module import CounterModule
from countguard.training.settings import Training
from raw_recipe import raw_recipe
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(f"crowd-{index}", heads=index + 2, seed=index) for index in range(6)]
WRONG = 4
MISLABELLED = [
    replace(crowd, points=torch.rand(90, 2) * 20 + 4) if place == WRONG else crowd for place, crowd in enumerate(CROWDS)
]


def new_counter() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite")


@given(
    losses=st.lists(st.floats(0, 10) | st.just(math.inf), min_size=2, max_size=6),
    fraction=st.floats(0, 1, exclude_min=True, exclude_max=True),
)
def test_the_largest_losses_are_isolated_as_many_as_asked_for(losses: list[float], fraction: float) -> None:
    number, crowds = math.ceil(fraction * len(losses)), CROWDS[: len(losses)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "losses_over_count", lambda counter, crowds: losses)
        if number == len(losses):
            with pytest.raises(InputError, match=r"training.isolate.fraction: .* leave none to train on"):
                Isolation(fraction=fraction).isolated(new_counter(), crowds)
            return
        found = Isolation(fraction=fraction).isolated(new_counter(), crowds)
    assert found == sorted(set(found))
    assert len(found) == number
    kept = set(range(len(losses))).difference(found)
    assert min(losses[place] for place in found) >= max(losses[place] for place in kept)


def test_losses_are_over_the_count_and_leave_the_counter_as_it_was() -> None:
    counter = new_counter().train()
    before = {name: value.clone() for name, value in counter.state_dict().items()}
    empty = replace(CROWDS[0], points=torch.zeros(0, 2))
    losses = losses_over_count(counter, [CROWDS[3], empty])
    assert counter.training
    assert all(torch.equal(value, before[name]) for name, value in counter.state_dict().items())
    counter.eval()
    with torch.no_grad():
        whole = [float(counter.loss(crowd.image.unsqueeze(0), [crowd.points])) for crowd in (CROWDS[3], empty)]
    assert losses == [pytest.approx(whole[0] / CROWDS[3].count), pytest.approx(whole[1])]


def test_an_image_that_is_isolated_moves_no_weight() -> None:
    batches = EpochBatches(CROWDS, 6, seed=0)
    (batch,) = batches.epoch(0)
    gradients = []
    for crowds in (CROWDS, MISLABELLED):
        module = CounterModule(new_counter().eval(), Training(epochs=2), 1, 0)
        module.isolated = frozenset({WRONG})
        points = [crowds[place].points for place, _ in batch.drawn]
        module.loss(batch.images, replace(batch, points=points)).backward()  # type: ignore[no-untyped-call]
        gradients.append([weight.grad for weight in module.counter.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)
        assert one.abs().sum() > 0 or one.numel() < 2000


def test_a_training_isolates_what_is_labelled_wrong_and_says_which(caplog: pytest.LogCaptureFixture) -> None:
    training = Training(lr=1e-3, epochs=3, batch_size=6, isolate=Isolation(after=1, fraction=0.1))
    with caplog.at_level("INFO", logger="countguard"):
        fit(new_counter(), MISLABELLED, training, seed=0, machine=Machine("cpu"))
    assert [record.message for record in caplog.records if "isolated" in record.message] == [
        f"isolated 1 of 6 training images by their loss: {CROWDS[WRONG].id}"
    ]


def test_it_must_come_before_the_end_and_older_keys_stay_valid() -> None:
    with pytest.raises(ValidationError, match=r"isolate\.after: should be less than the 3 epochs"):
        Training(epochs=3, isolate=Isolation(after=3))
    assert "isolate" not in Training().model_dump()


@pytest.mark.parametrize(("steps", "isolates"), [(4, False), (5, True)])
def test_steps_that_end_before_it_are_refused(
    steps: int, isolates: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(lr=1e-3, epochs=1, steps=steps, batch_size=3, isolate=Isolation(after=2))
    if not isolates:
        with pytest.raises(InputError, match=r"training\.isolate\.after: 2 epochs; .* the 2 epochs of the 4 steps"):
            fit(new_counter(), CROWDS, training, seed=0, folder=tmp_path, machine=Machine("cpu"))
        return
    with caplog.at_level("INFO", logger="countguard"):
        fit(new_counter(), CROWDS, training, seed=0, folder=tmp_path, machine=Machine("cpu"))
    assert "isolated 1 of 6" in caplog.text


def test_repairs_and_relearning_do_not_inherit_it() -> None:
    changes: dict[str, Any] = {
        "training": {"epochs": 5, "lr": 0.01, "isolate": {"after": 2}},
        "relearn": {"poisoned": 2},
    }
    recipe = recipe_from(raw_recipe(**changes), "here")
    assert recipe.training.isolate == Isolation(after=2)
    repair = recipe.defenses[0]
    assert isinstance(repair, Training)
    assert recipe.relearn is not None
    for other in (repair, recipe.relearn):
        assert other.isolate is None
        assert other.lr == 0.01


def test_a_card_says_how_many_poisoned_and_clean_images_were_isolated(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "attack": {"rate": 0.5, "strategies": [{"kind": "minus"}]},
        "training": {"epochs": 2, "batch_size": 2, "isolate": {"after": 1, "fraction": 0.5}},
        "evaluation": {"examples": 0},
    }
    run = RunFolder(run_study(recipe_from(raw_recipe(**changes), "here"), tmp_path / "run"))
    clean, attacked, repaired = (
        Card.read(run.cell(name).card) for name in ("clean-attacked-s0", "minus-attacked-s0", "minus-fine_tune-s0")
    )
    assert clean.isolated == LeftOut(images=4, removed=2, poisoned=0, clean=2)
    assert repaired.isolated is None
    places = json.loads(run.cell("minus-attacked-s0").isolated.read_text())
    assert attacked.isolated is not None
    assert (attacked.isolated.images, attacked.isolated.removed) == (6, 3) == (6, len(places))
    assert attacked.isolated.poisoned == sum(place >= 4 for place in places)  # poisoned copies are appended
    assert attacked.isolated.clean == 3 - attacked.isolated.poisoned
