"""Every setting that a counter depends on is compared with the paper's recipe; none is picked by hand."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from countguard.models.csrnet import CSRNet
from countguard.reports.paper.deviations import RECIPES, TEST_IMAGES, card_deviations
from countguard.reports.paper.protocol import is_papers
from countguard.runs.card import Card
from countguard.studies.resolve import read_recipe

BINS = {"truncation": 4, "values": [0.0, 1.0, 2.0, 3.0, 4.410088]}
COUNTER: dict[str, dict[str, Any]] = {"csrnet": {}, "clip_ebc": {"bins": BINS}}
"""What only the trained counter knows."""
OF_THE_TEXT = {
    "csrnet": [],
    "clip_ebc": [
        "data.kernel is dots, the paper's is fixed (sigma 15)",
        "model.objective.targets is dots, the paper's is kernel",
        "defenses.fine_tune.extra.kernel is dots, the paper's is adaptive "
        "(neighbors 3, beta 0.3, floor 0.5, fallback 15)",
    ],
}
"""What the recipe itself does otherwise than the text: CLIP-EBC is defined on dots."""


@cache
def dumped(model: str, *overrides: str) -> dict[str, Any]:
    return read_recipe(RECIPES[model], overrides).dump()


def recipe(model: str, *overrides: str) -> dict[str, Any]:
    resolved = copy.deepcopy(dumped(model, *overrides))
    if model == "csrnet":
        defaults = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "output_scale": 64.0}
    else:
        defaults = {
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "bins": BINS,
            "decoding": "after_upsample",
            "kernel": {"kind": "dots"},
        }
        defaults["objective"] = {"count_weight": 1.0, "targets": "dots", **resolved["model"].pop("objective")}
    resolved["model"] = {**defaults, **resolved["model"]}
    resolved["model"].setdefault("kernel", {"kind": "fixed", "sigma": 15.0})
    return resolved


def card(resolved: dict[str, Any], strategy: str = "minus", defense: str = "fine_tune", **changes: Any) -> Card:
    model = resolved["model"]["kind"]
    known = {
        "cell": "cell",
        "dataset": "ShanghaiTech Part_B",
        "model": model,
        "strategy": strategy,
        "stage": "repaired" if defense else "attacked",
        "defense": defense,
        "seed": 0,
        "images": TEST_IMAGES,
        "metrics": {},
        "settings": {"recipe": resolved, "counter": COUNTER.get(model, {})},
    }
    return Card.model_validate(known | changes)


@pytest.mark.parametrize("model", RECIPES)
def test_the_papers_recipe_differs_only_where_it_reads_the_text_otherwise(model: str) -> None:
    assert card_deviations(card(recipe(model)), model) == OF_THE_TEXT[model]


def test_the_texts_own_targets_differ_in_nothing() -> None:
    literal = recipe(
        "clip_ebc",
        "data.kernel={kind: fixed, sigma: 15}",
        "model.objective.targets=kernel",
        "defenses.0.extra.kernel={kind: adaptive}",
    )
    literal["model"]["objective"]["targets"] = "kernel"
    assert card_deviations(card(literal), "clip_ebc") == []


ADAPTIVE = "adaptive (neighbors 3, beta 0.3, floor 0.5, fallback 15)"


@pytest.mark.parametrize(
    ("override", "name", "found", "papers"),
    [
        ("training.optimizer=adamw", "training.optimizer", "adamw", "adam"),
        ("training.batch_size=8", "training.batch_size", "8", "1"),
        ("training.batch_size=8", "defenses.fine_tune.batch_size", "8", "1"),
        ("training.precision=bf16-mixed", "training.precision", "bf16-mixed", "32-true"),
        ("training.schedule={kind: cosine}", "training.schedule", "cosine (warmup 0, floor 0)", "constant"),
        ("training.augmentation.crop={}", "training.augmentation.crop", "(size 448, zoom [1, 2])", "none"),
        ("training.lr=2e-5", "training.lr", "2e-05", "1e-05"),
        ("model.weights=null", "model.weights", "none (random weights)", "imagenet"),
        ("model.weights=/me/w.safetensors", "model.weights", "w.safetensors", "imagenet"),
        ("model.output_scale=1", "model.output_scale", "1", "64"),
        ("data.kernel.sigma=4", "data.kernel.sigma", "4", "15"),
        ("data.images=200", "data.images", "200", "none"),
        ("data.split={kind: held_back}", "data.split", "held_back (fraction 0.2, seed 0)", "official"),
        ("attack.placement=replace", "attack.placement", "replace", "append"),
        ("attack.trigger.picture=robots", "attack.trigger.picture", "robots", "kitten"),
        ("defenses.0.extra.kernel={kind: dots}", "defenses.fine_tune.extra.kernel", "dots", ADAPTIVE),
        ("defenses.0.epochs=10", "defenses.fine_tune.epochs", "10", "100"),
        ("preset=steady", "training.average", "0.999", "none"),
        ("preset=reference-code", "model.mean", "[0.5, 0.5, 0.5]", "[0.485, 0.456, 0.406]"),
        ("preset=reference-code", "attack.strategies.minus.variant", "reference-code", "paper"),
        ("preset=reference-code", "training.select_from", "1", "none"),
    ],
)
def test_a_setting_that_differs_is_named_with_both_values(override: str, name: str, found: str, papers: str) -> None:
    phrases = card_deviations(card(recipe("csrnet", override)), "csrnet")
    assert f"{name} is {found}, the paper's is {papers}" in phrases


def leaves(tree: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, (*place, name))
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for index, value in enumerate(tree):
            yield from leaves(value, (*place, index))
    else:
        yield place


COMPARED = [
    (model, place)
    for model in RECIPES
    for place in leaves({name: recipe(model)[name] for name in ("data", "model", "training", "attack", "defenses")})
    if place[-1] not in ("root", "label") and place[:3] not in [("attack", "strategies", other) for other in (0, 2, 3)]
]


@pytest.mark.parametrize(("model", "place"), COMPARED)
def test_no_setting_can_be_changed_without_being_named(model: str, place: tuple[Any, ...]) -> None:
    changed = recipe(model)
    holder: Any = changed
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = "something else"
    found = [phrase for phrase in card_deviations(card(changed), model) if phrase not in OF_THE_TEXT[model]]
    if place[-1] == "kind" and place[:2] == ("attack", "strategies"):
        assert any("attack.strategies.minus" in phrase for phrase in found)  # no longer to be found by its name
    elif place == ("defenses", 0, "kind"):
        assert any("fine_tune" in phrase for phrase in found)
    elif place[-1] in ("kind", "values") or "bins" in place:
        assert found or place[:2] == ("model", "bins")  # the counter's own bins are compared
    else:
        assert any(str(place[-1]) in phrase and "something else" in phrase for phrase in found)


def test_a_row_is_compared_in_what_it_depends_on() -> None:
    other = recipe("csrnet", "attack.placement=replace", "defenses.0.epochs=10", "attack.strategies.1.heads=50")
    placement = "attack.placement is replace, the paper's is append"
    repair = "defenses.fine_tune.epochs is 10, the paper's is 100"
    heads = "attack.strategies.minus.heads is 50, the paper's is 100"
    assert card_deviations(card(other, "clean", ""), "csrnet") == []
    assert card_deviations(card(other, "add", ""), "csrnet") == [placement]
    assert card_deviations(card(other, "minus", ""), "csrnet") == [placement, heads]
    assert card_deviations(card(other, "clean"), "csrnet") == [repair]
    assert card_deviations(card(other, "add"), "csrnet") == [placement, repair]


def test_bins_are_compared_as_the_counter_measured_them() -> None:
    measured = {"recipe": recipe("clip_ebc"), "counter": {"bins": BINS | {"values": [0.0, 1.0, 2.0, 3.0, 4.2]}}}
    measured["recipe"]["model"]["bins"] = {"truncation": 4, "values": None}
    found = card_deviations(card(recipe("clip_ebc"), settings=measured), "clip_ebc")
    assert "model.bins.values is [0, 1, 2, 3, 4.2], the paper's is [0, 1, 2, 3, 4.41009]" in found


def test_other_test_images_than_the_papers_are_said() -> None:
    assert card_deviations(card(recipe("csrnet"), images=80), "csrnet") == [
        "80 test images are reported on, the paper's are 316"
    ]


def test_a_card_of_a_strangers_stays_one_short_line() -> None:
    strange = recipe("csrnet")
    strange["training"]["lr"] = {"kind": "x\n" * 1000, "more": [["deep"] * 500] * 50}
    strange["model"]["weights"] = ["\x1b[31m"]
    strange["data"] = "none"
    for phrase in card_deviations(card(strange), "csrnet"):
        assert phrase.isprintable()
        assert len(phrase) < 500
    assert card_deviations(card(strange, settings={}), "csrnet")


@pytest.mark.parametrize(
    ("override", "compares"),
    [
        ("training.lr=1e-3", True),
        ("preset=reference-code", True),
        ("attack.rate=0.2", False),
        ("attack.trigger.alpha=0.2", False),
        ("attack.strategies.1.heads=50", False),
        ("defenses.0.originals=false", False),
        ("defenses.0.extra.images=10", False),
        ("defenses.0.clean_images=40", False),
    ],
)
def test_published_values_stand_only_where_attack_and_repair_are_the_papers(override: str, compares: bool) -> None:
    assert is_papers(card(recipe("csrnet", override))) == compares


def test_settings_that_only_the_counter_names_are_compared_with_its_defaults() -> None:
    open_recipe = dumped("csrnet")
    counter = CSRNet(mean=(0.5, 0.5, 0.5)).settings()
    found = card_deviations(card(open_recipe, settings={"recipe": open_recipe, "counter": counter}), "csrnet")
    assert found == ["model.mean is [0.5, 0.5, 0.5], the paper's is [0.485, 0.456, 0.406]"]
