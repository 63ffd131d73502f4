"""The paper's repair and its controls: what each trains on, and that it trains."""

import itertools
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from countguard.data.crowd import Crowd
from countguard.data.kernels import Adaptive
from countguard.data.source import Subset
from countguard.data.synthetic import Synthetic
from countguard.defenses.fine_tune import FineTune
from countguard.defenses.random_blend import RandomBlend
from countguard.defenses.search import Search
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.training.fit import Machine, fit
from countguard.training.settings import Training
from tiny_crowds import tiny_crowd

CLEAN = [tiny_crowd(f"clean-{index}", heads=4, seed=index) for index in range(8)]
EXTRA = Synthetic(train=3, test=1, height=32, width=32, heads=(1, 5), look="stadium", kernel=Adaptive())
MACHINE = Machine(accelerator="cpu", resume_seconds=0)


def ids(defense: FineTune, seed: int = 0) -> list[str]:
    return [crowd.id for crowd in defense.crowds(CLEAN, seed)]


def attacked() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite")


def test_the_papers_repair_takes_the_originals_and_a_second_set_under_its_own_kernel() -> None:
    crowds = FineTune(extra=EXTRA).crowds(CLEAN, 0)
    assert [crowd.id for crowd in crowds] == [crowd.id for crowd in CLEAN] + [f"train-{k:05d}" for k in range(3)]
    assert [crowd.kernel for crowd in crowds] == [None] * 8 + [Adaptive()] * 3


def test_no_picture_is_read_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = Subset.read

    def noted(subset: Subset, position: int) -> Crowd:
        crowd = whole(subset, position)
        read.append(crowd.id)
        return crowd

    monkeypatch.setattr(Subset, "read", noted)
    crowds = FineTune(clean_images=5, extra=EXTRA.model_copy(update={"images": 2})).crowds(CLEAN, 0)
    assert (len(crowds), read) == (7, [])
    assert [crowds[6].id] == read


def test_the_controls_leave_one_or_the_other_out() -> None:
    assert ids(FineTune()) == [crowd.id for crowd in CLEAN]
    assert ids(FineTune(originals=False, extra=EXTRA)) == [f"train-{k:05d}" for k in range(3)]
    with pytest.raises(ValidationError, match="originals: false needs an `extra` data set"):
        FineTune(originals=False)


def test_a_larger_budget_holds_the_smaller_one() -> None:
    budgets = [ids(FineTune(clean_images=images), seed=3) for images in range(1, 9)]
    for smaller, larger in itertools.pairwise(budgets):
        assert set(smaller) <= set(larger)
        assert len(set(larger)) == len(set(smaller)) + 1
    assert sorted(budgets[-1]) == sorted(crowd.id for crowd in CLEAN)
    assert ids(FineTune(clean_images=99)) == ids(FineTune())
    assert len({tuple(sorted(ids(FineTune(clean_images=3), seed=seed))) for seed in range(20)}) > 5


def test_each_seed_draws_its_own_images_of_the_second_set() -> None:
    few = EXTRA.model_copy(update={"train": 30, "images": 8})
    second = [tuple(ids(FineTune(originals=False, extra=few), seed=seed)) for seed in range(6)]
    assert len({*second}) == 6
    assert all(len(set(drawn)) == 8 for drawn in second)
    assert second[3] == tuple(ids(FineTune(originals=False, extra=few), seed=3))
    # what a recipe of one seed trained on before stays: seed 0 draws what the split's seed drew
    assert second[0] == tuple(crowd.id for crowd in few.load_training())


def test_everything_that_is_trained_on_is_named() -> None:
    repair = FineTune(clean_images=3, extra=EXTRA)
    assert [crowd.id for crowd in repair.trained_on(CLEAN, 1)] == ids(repair, 1)
    assert len(Search(of=FineTune(extra=EXTRA), values={"lr": [1e-4]}, clean_images=4).trained_on(CLEAN, 0)) == 7
    assert len(RandomBlend(clean_images=3).trained_on(CLEAN, 0)) == 3


def test_a_second_set_that_is_used_whole_is_the_same_for_every_seed() -> None:
    assert ids(FineTune(extra=EXTRA), seed=0) == ids(FineTune(extra=EXTRA), seed=9)


def test_a_repair_is_a_training_from_the_attacked_weights() -> None:
    repair = FineTune(lr=1e-3, epochs=2, batch_size=4)
    repaired, trained = attacked(), attacked()
    repair.repair(repaired, CLEAN, seed=5, machine=MACHINE)
    fit(trained, CLEAN, Training(lr=1e-3, epochs=2, batch_size=4), seed=5, machine=MACHINE)
    again = repaired.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in trained.state_dict().items())
    assert any(not torch.equal(value, again[name]) for name, value in attacked().state_dict().items())


def test_both_sets_of_other_sizes_and_kernels_are_trained_on_in_one_run(tmp_path: Path) -> None:
    history = FineTune(lr=1e-3, epochs=1, batch_size=4, extra=EXTRA).repair(
        attacked(), CLEAN, seed=0, folder=tmp_path, machine=MACHINE
    )
    assert [row["epoch"] for row in history.rows] == [1]
    assert (tmp_path / "resume.ckpt").exists()


def test_a_control_may_last_as_many_steps_as_another_row() -> None:
    history = FineTune(lr=1e-3, batch_size=4, steps=5).repair(attacked(), CLEAN, seed=0, machine=MACHINE)
    assert [row["epoch"] for row in history.rows] == [1, 2, 3]


def test_a_repair_without_crowds_is_refused() -> None:
    with pytest.raises(InputError, match="no crowd to train on"):
        FineTune().repair(attacked(), [], seed=0, machine=MACHINE)


def test_results_call_it_by_its_label() -> None:
    assert FineTune().name == "fine_tune"
    assert FineTune(label="fine_tune_40").name == "fine_tune_40"
    for label in ("Fine Tune", "a/b", "x" * 41):
        with pytest.raises(ValidationError, match="label"):
            FineTune(label=label)
