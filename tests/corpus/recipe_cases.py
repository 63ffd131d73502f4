"""Recipes that are no YAML, name what there is not, or ask for more than a machine can give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from corpus.case import Case
from countguard.dotted import set_dotted
from countguard.models import build_counter, save_counter
from countguard.studies.resolve import find_recipe, read_recipe
from countguard.studies.run import run_study
from countguard.yaml_text import dump_yaml

Make = Callable[[Path], Path]
NAME = "study.yaml"


def _run(path: Path) -> object:
    """Reads and runs a recipe, with --set where a file beside it says so."""
    out, settings = path.with_name("run"), path.with_name("set")
    overrides = settings.read_text().splitlines() if settings.exists() else []
    try:
        return run_study(read_recipe(path, overrides), out, console=Console(quiet=True))
    finally:
        assert not out.exists(), "something was written"


def _text(content: str | bytes | Callable[[], str]) -> Make:
    def make(root: Path) -> Path:
        text = content() if callable(content) else content
        (root / NAME).write_bytes(text.encode() if isinstance(text, str) else text)
        return root / NAME

    return make


def _tiny(root: Path) -> dict[str, Any]:
    """The tiny recipe as its file has it."""
    raw: dict[str, Any] = yaml.safe_load(find_recipe("tiny").read_text(encoding="utf-8"))
    return raw


def _changed(name: str, value: object) -> Make:
    """The tiny recipe with one setting changed, by its dotted name."""

    def make(root: Path) -> Path:
        raw = _tiny(root)
        set_dotted(raw, name, value)  # type: ignore[arg-type]
        (root / NAME).write_text(dump_yaml(raw))
        return root / NAME

    return make


def _without(name: str) -> Make:
    def make(root: Path) -> Path:
        raw = {key: value for key, value in _tiny(root).items() if key != name}
        (root / NAME).write_text(dump_yaml(raw))
        return root / NAME

    return make


def _set(line: str) -> Make:
    def make(root: Path) -> Path:
        (root / "set").write_text(line)
        return _changed("name", "tiny")(root)

    return make


def _folder(root: Path) -> Path:
    (root / NAME).mkdir()
    return root / NAME


def _another_kind(root: Path) -> Path:
    save_counter(build_counter("mcnn"), root / "mcnn.safetensors")
    return _changed("model", {"kind": "lite", "weights": str(root / "mcnn.safetensors")})(root)


def _own_file_as_picture(root: Path) -> Path:
    return _changed("attack.trigger.picture", str(root / NAME))(root)


_BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
_THOUSAND = [number / 1000 for number in range(1, 1001)]

_CASES: dict[str, tuple[Make, str]] = {
    "missing": (lambda root: root / NAME, "no such recipe; give a YAML file, or"),
    "folder": (_folder, "no such recipe"),
    "empty": (_text(""), "is empty"),
    "binary": (_text(bytes(range(256))), "is no YAML"),
    "utf16": (_text("name: tiny\n".encode("utf-16")), "is no YAML"),
    "html": (_text("<html><body>not here</body></html>\n"), "a recipe is a mapping"),
    "large": (_text(lambda: "# " + "a" * (2 << 20)), "at most 1,048,576 are read"),
    "list": (_text("- name: tiny\n"), "a recipe is a mapping"),
    "number": (_text("3\n"), "a recipe is a mapping"),
    "numbers_as_names": (_text("1: 2\n"), "a recipe is a mapping"),
    "list_as_name": (_text("? [a, b]\n: 1\n"), "is no YAML"),
    "open_bracket": (_text("name: [tiny\n"), "is no YAML"),
    "tab": (_text("name:\n\ttiny\n"), "is no YAML"),
    "two_documents": (_text("name: a\n---\nname: b\n"), "is no YAML"),
    "tag_that_runs": (_text('name: !!python/object/apply:os.system ["touch ran"]\n'), "is no YAML"),
    "tag_of_its_own": (_text("name: !tiny tiny\n"), "is no YAML"),
    "date_that_is_none": (_text("name: 2020-13-45\n"), "is no YAML"),
    "digits": (_text("name: tiny\nseeds: [" + "9" * 5000 + "]\n"), "is no YAML"),
    "number_of_base_60": (_text("name: tiny\ntraining: {lr: 1:1:1.5}\n"), "training.lr: 1:1:1.5 should be a decimal"),
    "number_of_base_60_whole": (_text("name: tiny\nseeds: [0, 1:30]\n"), "seeds.1: 1:30 should be a decimal number"),
    "number_of_base_16": (_text("seeds: [0x" + "f" * 200_000 + "]\n"), "seeds.0: 0xfff"),
    "number_of_base_8": (_text("training: {epochs: 010}\n"), "training.epochs: 010 should be a decimal number"),
    "number_of_base_2": (_text("training: {epochs: 0b1}\n"), "training.epochs: 0b1 should be a decimal number"),
    "number_of_base_2_set": (_set("training.epochs=0b1"), "training.epochs=0b1"),
    "number_of_24_digits": (
        _changed("data.split", {"kind": "held_back", "seed": 10**23}),
        "split.held_back: seed: at most 9,223,372,036,854,775,807",
    ),
    "name_twice": (_text("name: tiny\ntraining: {epochs: 5, lr: 1, epochs: 50}\n"), "training.epochs: stands twice"),
    "tag_of_yaml": (_text("name: !!str tiny\nseeds: !!set {1}\n"), "tags are not allowed"),
    "aliases": (_text(_BOMB), "aliases are not allowed"),
    "alias_of_itself": (_text("a: &a [*a]\n"), "aliases are not allowed"),
    "nested_deep": (_text(lambda: "a: " + "[" * 100_000), "nested too deep"),
    "nested_deep_mappings": (_text(lambda: "a: " + "{a: " * 100_000), "nested too deep"),
    "no_name": (_without("name"), "name: Field required"),
    "no_data": (_without("data"), "data: Field required"),
    "no_model": (_without("model"), "model: Field required"),
    "no_attack": (_without("attack"), "attack: Field required"),
    "name_that_climbs": (_changed("name", "../../etc/cron.d/x"), "name: String should match"),
    "name_long": (_changed("name", "a" * 10_000), "name: String should have at most 80"),
    "preset_unknown": (_changed("preset", "fast"), "preset: Input should be 'paper'"),
    "preset_list": (_changed("preset", ["paper"]), "preset: Input should be"),
    "key_unknown": (_changed("epochs", 5), "epochs: Extra inputs"),
    "key_long": (_changed("a" * 100_000, 5), "Extra inputs"),
    "key_of_two_lines": (_changed("a\n\x1b[2J", 5), "Extra inputs"),
    "data_key_unknown": (_changed("data.rot", "x"), "data.rot: Extra inputs"),
    "model_key_unknown": (_changed("model.width", 64), "width: Unexpected keyword argument"),
    "model_key_self": (_changed("model.self", 1), "self"),
    "attack_key_unknown": (_changed("attack.ratio", 0.1), "attack.ratio: Extra inputs"),
    "trigger_key_unknown": (_changed("attack.trigger.share", 0.1), "attack.trigger.share: Extra inputs"),
    "strategy_key_unknown": (_changed("attack.strategies.0.factor", 3), "attack.strategies.0.factor: Extra"),
    "training_key_unknown": (_changed("training.momentum", 0.9), "training.momentum: Extra inputs"),
    "defense_key_unknown": (_changed("defenses.0.rho", 1), "defenses.0.rho: Extra inputs"),
    "evaluation_key_unknown": (_changed("evaluation.plots", 1), "evaluation.plots: Extra inputs"),
    "machine_key_unknown": (_changed("machine.gpus", 8), "machine.gpus: Extra inputs"),
    "data_kind_unknown": (_changed("data", {"kind": "ucf"}), "data: data source 'ucf' is unknown"),
    "data_kind_missing": (_changed("data", {"train": 4}), "data: its kind is missing"),
    "data_kind_long": (_changed("data", {"kind": "a" * 100_000}), "data: data source"),
    "model_kind_unknown": (_changed("model.kind", "resnet"), "model.kind 'resnet' is unknown"),
    "model_kind_list": (_changed("model.kind", []), "model.kind: Input should be a valid string"),
    "trigger_unknown": (
        _changed("attack.trigger", {"kind": "badnets"}),
        "attack.trigger: trigger 'badnets' is unknown",
    ),
    "strategy_unknown": (
        _changed("attack.strategies", [{"kind": "square"}]),
        "attack.strategies.0: strategy 'square' is unknown",
    ),
    "strategy_twice": (
        _changed("attack.strategies", [{"kind": "minus", "heads": 5}, {"kind": "minus", "heads": 9}]),
        "strategies: names must differ, got minus, minus; give each a label",
    ),
    "strategies_a_word": (_changed("attack.strategies", "minus"), "attack.strategies: Input should be a valid tuple"),
    "defense_unknown": (_changed("defenses", [{"kind": "pray"}]), "defenses.0: defense 'pray' is unknown"),
    "defense_twice": (_changed("defenses", [{"kind": "fine_tune"}, {"kind": "fine_tune"}]), "give each a label"),
    "defenses_mapping": (_changed("defenses", {"kind": "fine_tune"}), "defenses: Input should be a valid tuple"),
    "seeds_none": (_changed("seeds", []), "seeds: Tuple should have at least 1"),
    "seeds_twice": (_changed("seeds", [1, 1]), "seeds: each may stand once"),
    "seeds_negative": (_changed("seeds", [-1]), "seeds.0"),
    "rate_above_one": (_changed("attack.rate", 10), "attack.rate: Input should be less than or equal to 1"),
    "rate_not_a_number": (_changed("attack.rate", float("nan")), "attack.rate"),
    "epochs_a_word": (_changed("training.epochs", "many"), "training.epochs: Input should be a valid integer"),
    "epochs_infinite": (_changed("training.epochs", float("inf")), "training.epochs"),
    "lr_negative": (_changed("training.lr", -1), "training.lr"),
    "batch_size_zero": (_changed("training.batch_size", 0), "training.batch_size"),
    "pictures_astronomical": (_changed("data.train", 10**30), "data.train: Input should be less than"),
    "pictures_a_billion": (_changed("data.train", 10**9), "data.train: Input should be less than"),
    "pictures_huge": (_changed("data.height", 10**6), "data.height: Input should be less than"),
    "heads_a_billion": (_changed("data.heads", [1, 10**9]), "heads: at most 128 fit"),
    "bins_a_billion": (
        _changed("model", {"kind": "csrnet_ebc", "bins": {"truncation": 10**9}}),
        "bins.truncation",
    ),
    "weights_missing": (_changed("model.weights", "gone.safetensors"), "gone.safetensors: there is no such file"),
    "weights_unknown": (_changed("model.weights", "imagenet"), "model.weights 'imagenet' is unknown to lite"),
    "weights_of_another": (_another_kind, "holds a counter of kind 'mcnn'"),
    "data_missing": (_changed("data", {"kind": "folder", "root": "/nowhere/at/all"}), "/nowhere/at/all"),
    "extra_missing": (
        _changed("defenses.0.extra", {"kind": "folder", "root": "/nowhere/at/all"}),
        "/nowhere/at/all",
    ),
    "picture_missing": (_changed("attack.trigger.picture", "gone.png"), "gone.png"),
    "picture_is_a_recipe": (_own_file_as_picture, "is not a JPEG, PNG, WebP"),
    "accelerator_unknown": (_changed("machine.accelerator", "tpu"), "machine.accelerator: Input should be"),
    "vary_unknown": (_changed("vary", {"attack.trigger.beta": [1]}), "vary.attack.trigger.beta"),
    "vary_below_a_value": (_changed("vary", {"name.x": [1]}), "vary.name.x: the recipe has no such setting"),
    "vary_nothing": (_changed("vary", {"training.lr": []}), "vary.training.lr: List should have at least 1"),
    "vary_a_value": (_changed("vary", {"training.lr": 0.1}), "vary.training.lr: Input should be a valid list"),
    "vary_a_bad_value": (_changed("vary", {"attack.rate": [0.1, 7]}), "attack.rate"),
    "vary_the_preset": (_changed("vary", {"preset": ["paper", "steady"]}), "vary.preset"),
    "vary_itself": (_changed("vary", {"vary": [{}]}), "vary.vary"),
    "vary_twice_the_same": (_changed("vary", {"attack.rate": [0.1, 0.1]}), "two combinations"),
    "vary_a_billion": (
        _changed("vary", {"attack.rate": _THOUSAND, "training.lr": _THOUSAND, "attack.trigger.alpha": _THOUSAND}),
        "6,000,000,000 cells, more than 10,000",
    ),
    "seeds_by_the_thousand": (_changed("seeds", list(range(20_000))), "120,000 cells, more than 10,000"),
    "set_without_value": (_set("training.epochs"), "write it as dotted.name=value"),
    "set_unknown": (_set("training.epoch=3"), "training.epoch: Extra inputs"),
    "set_below_a_value": (_set("name.x.y=3"), "has no place called name.x.y"),
    "set_no_yaml": (_set("training.epochs=[3"), "is no YAML value"),
    "set_a_tag": (_set("name=!!python/name:os.system"), "is no YAML value"),
}

RECIPE_CASES = [Case(f"recipe_{name}", make, _run, says) for name, (make, says) in _CASES.items()]
