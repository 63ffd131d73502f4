"""The numbers of the paper, of its public code, and of the steady variant (paper-facts, sections 1 and 3)."""

from typing import Any

import pytest

from countguard.studies.presets import merged
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import read_recipe

PAPER_RECIPES = ("paper-csrnet", "paper-csrnet-ebc", "paper-clip-ebc")


def recipe(name: str, preset: str) -> Recipe:
    return read_recipe(name, [f"preset={preset}"])


def picked(value: Any, *names: str) -> dict[str, Any]:
    dump = value.model_dump()
    return {name: dump[name] for name in names}


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_the_papers_protocol(name: str) -> None:
    paper = recipe(name, "paper")
    assert paper.preset == "paper"
    assert paper.data.model_dump()["part"] == "B"
    assert (paper.data.split.kind, paper.data.images, paper.data.scale) == ("official", None, 1.0)
    assert (paper.attack.rate, paper.attack.placement) == (0.1, "append")
    assert paper.attack.trigger.model_dump()["alpha"] == 0.1
    assert {strategy.name: strategy.model_dump(exclude={"kind"}) for strategy in paper.attack.strategies} == {
        "add": {"heads": 100, "variant": "paper"},
        "minus": {"heads": 100, "variant": "paper"},
        "multiply": {"factor": 2, "variant": "paper"},
        "divide": {"factor": 2, "variant": "paper"},
    }
    assert paper.training.select == "last"
    (repair,) = paper.defenses
    extra = repair.model_dump()["extra"]
    assert (extra["part"], extra["images"]) == ("A", 40)
    assert repair.model_dump()["epochs"] == 100
    assert repair.clean_images is None


def test_csrnet_as_the_paper_trains_it() -> None:
    paper = recipe("paper-csrnet", "paper")
    assert picked(paper.training, "optimizer", "lr", "weight_decay", "epochs", "batch_size", "average") == {
        "optimizer": "adam",
        "lr": 1e-5,
        "weight_decay": 0.0,
        "epochs": 100,
        "batch_size": 1,
        "average": None,
    }
    assert paper.training.schedule.kind == "constant"
    assert picked(paper.training.augmentation, "flip", "crop", "jitter", "blend") == {
        "flip": 0.5,
        "crop": None,
        "jitter": 0.0,
        "blend": None,
    }
    assert paper.data.model_dump()["kernel"] == {"kind": "fixed", "sigma": 15}
    (repair,) = paper.defenses
    assert picked(repair, "lr", "batch_size") == {"lr": 1e-5, "batch_size": 1}
    assert repair.model_dump()["extra"]["kernel"] == {
        "kind": "adaptive",
        "neighbors": 3,
        "beta": 0.3,
        "floor": 0.5,
        "fallback": 15.0,
    }
    assert paper.model.weights == "imagenet"


def test_csrnet_as_the_public_code_trains_it() -> None:
    public = recipe("paper-csrnet", "reference-code")
    assert public.model.arguments["mean"] == [0.5, 0.5, 0.5]
    assert public.model.arguments["std"] == [0.225, 0.225, 0.225]
    assert (public.training.select, public.training.select_every) == ("best_test_as_published", 20)
    assert public.training.select_from == 1  # 1, 21, ..., 81
    assert (public.training.lr, public.training.batch_size) == (1e-5, 1)
    assert {strategy.variant for strategy in public.attack.strategies} == {"reference-code"}


def test_clip_ebc_as_the_paper_trains_it() -> None:
    paper = recipe("paper-clip-ebc", "paper")
    assert picked(paper.training, "optimizer", "lr", "epochs", "batch_size") == {
        "optimizer": "adam",
        "lr": 4e-4,
        "epochs": 150,
        "batch_size": 8,
    }
    assert paper.training.schedule.model_dump() == {"kind": "cosine", "warmup": 0.0, "floor": 0.0}
    assert picked(paper.training.augmentation, "crop", "flip", "jitter", "blur", "salt_and_pepper") == {
        "crop": {"size": 448, "zoom": (1.0, 2.0)},
        "flip": 0.5,
        "jitter": 0.2,
        "blur": 0.2,
        "salt_and_pepper": 0.5,
    }
    assert paper.data.model_dump()["kernel"] == {"kind": "dots"}
    assert picked(paper.defenses[0], "lr", "epochs", "batch_size") == {"lr": 1e-4, "epochs": 100, "batch_size": 8}


def test_clip_ebc_as_the_public_code_trains_it() -> None:
    public = recipe("paper-clip-ebc", "reference-code")
    assert picked(public.training, "lr", "weight_decay", "epochs") == {"lr": 1e-4, "weight_decay": 1e-4, "epochs": 150}
    assert public.training.schedule.model_dump() == {
        "kind": "warm_restarts",
        "warmup": 50,
        "warmup_lr": 1e-6,
        "period": 5,
        "growth": 2,
        "floor": 1e-7,
    }
    assert picked(public.training, "select", "select_from", "select_every") == {
        "select": "best_test_as_published",
        "select_from": 50,
        "select_every": 1,
    }
    assert picked(public.defenses[0], "select_from", "select_every") == {"select_from": 50, "select_every": 1}


@pytest.mark.parametrize("name", ["paper-clip-ebc", "paper-csrnet-ebc"])
def test_the_count_loss_is_the_methods_in_the_paper_and_the_trainers_in_its_code(name: str) -> None:
    for preset, count in (("paper", "dmcount"), ("steady", "dmcount"), ("reference-code", "mae")):
        assert recipe(name, preset).model.arguments["objective"] == {"count": count}
    exact = read_recipe(name, ["model.objective.count=dmcount_exact"])
    assert exact.model.arguments["objective"] == {"count": "dmcount_exact"}


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_steady_decays_the_rate_and_averages_the_weights_and_changes_nothing_else(name: str) -> None:
    paper, steady = recipe(name, "paper"), recipe(name, "steady")
    assert steady.training.schedule.kind == "cosine"
    assert steady.training.average == 0.999
    changed = {"schedule": steady.training.schedule, "average": 0.999}
    assert paper.training.model_copy(update=changed) == steady.training
    assert (paper.data, paper.attack, paper.model) == (steady.data, steady.attack, steady.model)


def test_what_a_recipe_says_wins_over_its_preset() -> None:
    own = read_recipe("paper-csrnet", ["training.lr=1e-3", "training.schedule={kind: cosine, warmup: 2}"])
    assert (own.training.lr, own.training.epochs) == (1e-3, 100)
    assert own.defenses[0].model_dump()["lr"] == 1e-3  # a repair trains as the attack did
    assert own.training.schedule.model_dump() == {"kind": "cosine", "warmup": 2.0, "floor": 0.0}
    assert read_recipe("paper-csrnet", ["defenses.0.lr=1e-6"]).training.lr == 1e-5


def test_settings_of_another_kind_replace_the_whole() -> None:
    below = {"schedule": {"kind": "warm_restarts", "period": 5}, "lr": 1}
    assert merged(below, {"schedule": {"kind": "constant"}}) == {"schedule": {"kind": "constant"}, "lr": 1}
    assert merged(below, {"schedule": {"period": 7}})["schedule"] == {"kind": "warm_restarts", "period": 7}
    assert merged(below, {"schedule": None})["schedule"] is None
    assert below == {"schedule": {"kind": "warm_restarts", "period": 5}, "lr": 1}
