"""Recipes: what they may say, and one line for everything that they may not."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countguard.dotted import lookup, overridden
from countguard.errors import InputError
from countguard.runs.plan import Plan
from countguard.studies.cells import cells_of
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import find_recipe, read_recipe, recipe_from, recipes_folder, variations
from countguard.yaml_text import LARGEST, dump_yaml, load_yaml, read_yaml
from raw_recipe import raw_recipe

SHIPPED = sorted(path.stem for path in recipes_folder().glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_resolves_under_every_preset(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    for preset in ("paper", "reference-code", "steady"):
        resolved = read_recipe(name, [f"preset={preset}"])
        assert resolved.preset == preset
        assert list(variations(resolved))


def test_the_recipes_that_the_documents_name_are_there() -> None:
    assert {"demo", "tiny", "real-small", "paper-csrnet", "paper-csrnet-ebc", "paper-clip-ebc"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_recipe_is_written_and_read_back_and_resolves_to_itself(name: str, tmp_path: Path) -> None:
    dump = read_recipe(name).dump()
    (tmp_path / "study.yaml").write_text(dump_yaml(dump))
    assert read_yaml(tmp_path / "study.yaml") == dump
    assert read_recipe(tmp_path / "study.yaml").dump() == dump


def test_every_default_is_written_out() -> None:
    dump = recipe_from(raw_recipe(), "here").dump()
    for section in ("data", "attack", "training", "evaluation", "machine"):
        assert None is not dump[section]
    assert dump["training"]["augmentation"]["flip"] == 0.5
    assert dump["attack"]["trigger"] == {"kind": "blend", "picture": "kitten", "alpha": 0.1}
    assert dump["attack"]["strategies"][0] == {"kind": "minus", "heads": 100, "variant": "paper"}
    assert dump["defenses"][0]["epochs"] == 1  # a repair trains as the attack did


def test_overrides_set_what_they_name() -> None:
    raw = overridden(
        raw_recipe(),
        [
            "attack.trigger={kind: blend}",
            "attack.trigger.alpha=0.2",
            "training.lr=1e-5",
            "seeds=[0, 1]",
            "attack.strategies.0.heads=50",
            "defenses.0.extra={kind: synthetic, train: 3}",
            " name =x",
        ],
        "here",
    )
    recipe = recipe_from(raw, "here")
    assert (recipe.attack.trigger.alpha, recipe.training.lr, recipe.seeds) == (0.2, 1e-5, (0, 1))  # type: ignore[union-attr]
    assert recipe.attack.strategy("minus").heads == 50  # type: ignore[union-attr]
    assert recipe.name == "x"
    assert "trigger" not in raw_recipe()["attack"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.lr", "write it as dotted.name=value"),
        ("=3", "has no place called"),
        ("name.first=x", "has no place called name.first"),
        ("name.first.letter=x", "has no place called name.first.letter"),
        ("attack.strategies.9.heads=1", "has no place called attack.strategies.9.heads"),
        ("attack.strategies.minus.heads=1", "has no place called"),
        ("attack.strategies.*.kind.first=1", "has no place called attack.strategies.*.kind.first"),
        ("training.lr=[", "is no YAML value"),
        ("name=!!python/object/apply:os.system [id]", "is no YAML value"),
        ("name=!!timestamp soon", "is no YAML value"),
        ("name=2020-13-45", "is no YAML value"),
        ("name=0x_", "is no YAML value"),
        ("name=&a [*a]", "is no YAML value"),
        ("name=" + "[" * 5000, "is no YAML value"),
    ],
)
def test_an_override_that_cannot_be_set_is_named(override: str, says: str) -> None:
    with pytest.raises(InputError, match=r"^--set ") as caught:
        overridden(raw_recipe(), [override], "here")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data": None}, "data"),
        ({"data": {"kind": "imagenet"}}, "data"),
        ({"data": {"kind": "synthetic", "train": 0}}, "data.train"),
        ({"data": {"kind": "synthetic", "root": "x"}}, "data.root"),
        ({"data": {"kind": "synthetic", "split": {"kind": "held_back", "fraction": 1}}}, "data.split"),
        ({"data": {"kind": "synthetic", "kernel": {"kind": "fixed", "sigma": -1}}}, "data.kernel"),
        (
            {"data": {"kind": "synthetic", "kernel": {"kind": "adaptive", "floor": float("inf")}}},
            "data.kernel",
        ),
        ({"name": "../escape"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"preset": "best"}, "preset"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [0, 0]}, "seeds"),
        ({"seeds": [-1]}, "seeds.0"),
        ({"sedes": [0]}, "sedes"),
        ({"model": {"weights": None}}, "model.kind"),
        ({"model": "lite"}, "model"),
        ({"attack": {}}, "attack.strategies"),
        ({"attack": {"strategies": [{"kind": "steal"}]}}, "attack.strategies.0"),
        ({"attack": {"strategies": [{"kind": "minus", "heads": 0}]}}, "attack.strategies.0.heads"),
        ({"attack": {"strategies": [{"kind": "add"}, {"kind": "add", "heads": 5}]}}, "attack"),
        ({"attack": {"strategies": [], "rate": 0}}, "attack.rate"),
        ({"attack": {"strategies": [], "trigger": {"alpha": 0.2}}}, "attack.trigger: its kind is missing"),
        ({"attack": {"strategies": [], "trigger": {"kind": "blend", "alpha": 2}}}, "attack.trigger"),
        ({"training": {"lr": "1e-5 please"}}, "training.lr"),
        ({"training": {"weight_decay": float("inf")}}, "training.weight_decay"),
        ({"training": [1]}, "training"),
        ({"defenses": [{"kind": "fine_tune"}, {"kind": "fine_tune"}]}, "defenses"),
        ({"defenses": [{"kind": "fine_tune", "label": "attacked"}]}, "attacked"),
        ({"defenses": [{"kind": "fine_tune", "label": "Not/OK"}]}, "defenses.0.label"),
        ({"defenses": [{"kind": "fine_tune", "originals": False}]}, "defenses.0"),
        ({"defenses": {"kind": "fine_tune"}}, "defenses"),
        ({"evaluation": {"shares": [2]}}, "evaluation.shares.0"),
        ({"machine": {"threads": 0}}, "machine.threads"),
        ({"vary": {"training.lr": []}}, "vary.training.lr"),
        ({"vary": {"training.lr": 3}}, "vary.training.lr"),
    ],
)
def test_what_a_recipe_cannot_say_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=r"^study\.yaml: ") as caught:
        recipe_from(raw_recipe(**changes), "study.yaml")
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def laughs() -> str:
    """A billion laughs: ten aliases of ten aliases of ..."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"- a\n- b\n", "a recipe is a mapping"),
        (b"just text", "a recipe is a mapping"),
        (b"1: 2\n", "a recipe is a mapping"),
        (b"name: [unclosed\n", "is no YAML"),
        (b"name: \xff\xfe\n", "is no YAML"),
        (b"name: \x00\n", "is no YAML"),
        (b"name: !!python/object/apply:os.system ['touch owned']\n", "is no YAML"),
        (b"name: !!python/name:os.system\n", "is no YAML"),
        (b"name: 2020-02-31\n", "is no YAML"),
        (b"? {a: b}\n: c\n", "is no YAML"),
        (b"a: " + b"[" * 20000, "is no YAML"),
        (laughs().encode(), "aliases are not allowed"),
        (b"# " + b"x" * LARGEST, "at most 1,048,576 are read"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(
    content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"^bad\.yaml: ") as caught:
        read_recipe("bad.yaml")
    assert says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize("name", ["nothing", "no/such.yaml", "x" * 300, "../recipes/demo", "recipes"])
def test_a_recipe_that_is_not_there_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        find_recipe(name)


def test_a_file_wins_over_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe("demo") == find_recipe("demo.yaml") == recipes_folder() / "demo.yaml"
    (tmp_path / "demo").write_text("name: mine")
    assert find_recipe("demo") == Path("demo")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E3", 1000.0),
        ("-2e+1", -20.0),
        ("1.5e-3", 1.5e-3),
        ("1_0e1", 100.0),
        ("e5", "e5"),
        ("1e", "1e"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: object) -> None:
    assert load_yaml(text) == value
    assert type(load_yaml(text)) is type(value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["synthetic", "fine_tune", "blend", "lite", "1e-5", "0x_", "yes", "~", "minus"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | st.just("kind"), inner, max_size=4)
    ),
    max_leaves=12,
)
words = st.text(st.characters(exclude_characters="\x85"), max_size=8)  # PyYAML reads a NEL back as a space
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words | st.just("1e-5"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def resolved_or_refused(raw: Any) -> Recipe | None:
    try:
        recipe = recipe_from(raw, "here")
        list(variations(recipe))
    except InputError:
        return None
    return recipe


@given(raw=st.dictionaries(st.sampled_from(list(Recipe.model_fields)) | st.text(max_size=5), values, max_size=8))
def test_no_mapping_raises_anything_but_an_input_error(raw: dict[str, Any]) -> None:
    resolved_or_refused(raw)


@given(data=st.data())
@hypothesis_settings(max_examples=200)
def test_no_change_to_a_recipe_raises_anything_but_an_input_error(data: st.DataObject) -> None:
    raw = recipe_from(raw_recipe(defenses=[{"kind": "fine_tune", "extra": raw_recipe()["data"]}]), "here").dump()
    place: Any = raw
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    if isinstance(place, dict) and data.draw(st.booleans()):
        place[data.draw(st.text(max_size=6))] = data.draw(values)
    else:
        place[key] = data.draw(values)
    recipe = resolved_or_refused(raw)
    if recipe is not None:
        assert recipe_from(recipe.dump(), "here").dump() == recipe.dump()


@given(names=st.dictionaries(st.text("abc.0_traininglrkdsexv", max_size=14), st.lists(values, max_size=3), max_size=3))
def test_no_varied_name_raises_anything_but_an_input_error(names: dict[str, Any]) -> None:
    resolved_or_refused(raw_recipe(vary=names))


@given(text=st.text(max_size=60) | st.text("[]{}&*!:-?|>%@`'\"#, \n0123456789_xeE.", max_size=40))
def test_no_text_raises_anything_but_a_yaml_error(text: str) -> None:
    try:
        load_yaml(text)
    except yaml.YAMLError:
        return


@given(value=plain)
def test_yaml_reads_back_what_it_wrote(value: Any) -> None:
    assert load_yaml(dump_yaml(value)) == value


def test_variations_cover_all_combinations_and_nothing_else_changes() -> None:
    recipe = recipe_from(
        raw_recipe(vary={"training.lr": [1e-3, 1e-4], "attack.trigger.alpha": [0.1, 0.2, 0.3]}), "here"
    )
    found = list(variations(recipe))
    assert [chosen for chosen, _ in found] == [
        {"training.lr": lr, "attack.trigger.alpha": alpha} for lr in (1e-3, 1e-4) for alpha in (0.1, 0.2, 0.3)
    ]
    for chosen, variation in found:
        assert variation.training.lr == chosen["training.lr"]
        assert variation.attack.trigger.model_dump()["alpha"] == chosen["attack.trigger.alpha"]
        assert variation.vary == {}
        assert (
            variation.model_copy(update={"training": recipe.training, "attack": recipe.attack, "vary": recipe.vary})
            == recipe
        )
    assert [chosen for chosen, _ in variations(recipe_from(raw_recipe(), "here"))] == [{}]


def test_what_a_recipe_leaves_out_of_its_preset_stays_out_of_its_cells(tmp_path: Path) -> None:
    raw = raw_recipe(
        preset="reference-code",
        model={"kind": "csrnet"},
        training={"epochs": 3, "select_from": None},
        defenses=[
            {"kind": "fine_tune"},
            {"kind": "fine_tune", "label": "own", "select_from": 2},
            {"kind": "search", "of": {"kind": "fine_tune", "select": "last"}, "values": {"lr": [1e-3]}},
        ],
        relearn={"poisoned": 1},
        vary={"training.lr": [1e-3, 1e-4]},
    )
    recipe = recipe_from(raw, "here")
    (tmp_path / "study.yaml").write_text(dump_yaml(recipe.dump(whole=True)))
    again = read_recipe(tmp_path / "study.yaml")
    assert again == recipe
    for variant in [variant for resolved in (recipe, again) for _, variant in variations(resolved)]:
        plain, own, search = variant.defenses
        assert own.select_from == 2  # type: ignore[attr-defined]
        for training in (variant.training, variant.relearn, plain, search.of):  # type: ignore[attr-defined]
            assert training.select_from is None  # type: ignore[union-attr]


def test_a_repair_may_measure_every_epoch_although_its_attack_does_not() -> None:
    raw = raw_recipe(training={"select_from": 5}, defenses=[{"kind": "fine_tune", "select_from": None}])
    ((_, variant),) = variations(recipe_from(raw, "here"))
    assert variant.defenses[0].select_from is None  # type: ignore[attr-defined]


def test_what_a_search_tries_trains_as_the_attack_did_unless_it_says_otherwise() -> None:
    raw = raw_recipe(
        defenses=[{"kind": "search", "of": {"kind": "fine_tune", "epochs": 3}, "values": {"lr": [1e-3, 1e-4]}}]
    )
    found = recipe_from(raw, "here").dump()["defenses"][0]["of"]
    assert (found["batch_size"], found["epochs"]) == (2, 3)


def test_names_with_a_comma_vary_together_and_with_all_others() -> None:
    """Data seeds and trigger pictures: as all combinations, or each seed with its own picture."""
    product = recipe_from(
        raw_recipe(vary={"data.seed": [1, 2, 3], "attack.trigger.picture": ["kitten", "robots", "waves"]}), "here"
    )
    pairs = {(chosen["data.seed"], chosen["attack.trigger.picture"]) for chosen, _ in variations(product)}
    assert len(pairs) == 9
    together = {"data.seed, attack.trigger.picture": [[1, "kitten"], [2, "robots"]], "training.lr": [1e-3, 1e-4]}
    recipe = recipe_from(raw_recipe(vary=together), "here")
    found = list(variations(recipe))
    assert [chosen for chosen, _ in found] == [
        {"data.seed": seed, "attack.trigger.picture": picture, "training.lr": lr}
        for seed, picture in ((1, "kitten"), (2, "robots"))
        for lr in (1e-3, 1e-4)
    ]
    for chosen, variant in found:
        settings = variant.dump()
        assert all(lookup(settings, name) == value for name, value in chosen.items())
    keys = [cell.key for cell in cells_of(recipe)]
    assert len(keys) == len(Plan.of(recipe.dump())) == 4 * 6
    assert "picture=robots" in keys[-1].name


def test_settings_inside_lists_may_vary() -> None:
    recipe = recipe_from(raw_recipe(vary={"defenses.0.clean_images": [1, 2]}), "here")
    assert [variation.defenses[0].clean_images for _, variation in variations(recipe)] == [1, 2]


def test_a_star_stands_for_every_place_of_a_list() -> None:
    two = [{"kind": "fine_tune"}, {"kind": "random_blend"}]
    raw = raw_recipe(defenses=two, vary={"defenses.*.clean_images": [1, 2]})
    raw = overridden(raw, ["defenses.*.augmentation={flip: 0.25}", "defenses.1.augmentation.flip=1.0"], "here")
    recipe = recipe_from(raw, "here")
    assert [defense.augmentation.flip for defense in recipe.defenses] == [0.25, 1.0]  # each has a copy of its own
    found = [[defense.clean_images for defense in variation.defenses] for _, variation in variations(recipe)]
    assert found == [[1, 1], [2, 2]]
    with pytest.raises(InputError, match="no place called"):
        overridden(raw_recipe(defenses=[]), ["defenses.*.clean_images=1"], "here")


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        ({"training.speed": [1]}, "vary.training.speed: training.speed"),
        ({"training.lr": [2]}, "vary.training.lr: training.lr"),
        ({"training.augmentation.crop.size": [64]}, "vary.training.augmentation.crop.size: the recipe has no such"),
        ({"defenses.3.lr": [1e-3]}, "vary.defenses.3.lr: the recipe has no such"),
        ({"data.*.lr": [1e-3]}, "vary.data.*.lr: "),
        ({"name.first": ["x"]}, "vary.name.first: the recipe has no such"),
        ({"preset": ["paper", "steady"]}, "vary.preset: "),
        ({"data.seed, training.lr": [[1, 1e-3], [2]]}, "vary.data.seed, training.lr: each value should be a list of 2"),
        ({"data.seed, training.lr": [1]}, "vary.data.seed, training.lr: each value should be a list of 2"),
        ({"data.seed, training.lr": [[1, 1e-3]], "data.seed": [1]}, "vary: each setting may stand once"),
        ({"data.seed, ": [[1, 2]]}, "vary.: the recipe has no such"),
    ],
)
def test_what_cannot_vary_is_named(vary: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match="^" + re.escape(says)):
        list(variations(recipe_from(raw_recipe(vary=vary), "here")))


@pytest.mark.parametrize(
    ("changes", "suggested"),
    [
        ({"trigger": {"kind": "rain"}}, "attack.trigger"),
        ({"trainig": {"epochs": 3}}, "training"),
        ({"training": {"epoch": 3}}, "training.epochs"),
        ({"training": {"learning_rate": 3}}, None),
        ({"epochs": 3}, "training.epochs"),
        ({"attack": {"strategies": ["minus"], "trigger": {"kind": "blend", "alpah": 0.1}}}, "attack.trigger.alpha"),
        ({"data": {"kind": "synthetic", "hieght": 64}}, "data.height"),
        ({"defenses": [{"kind": "fine_tune", "epocs": 3}]}, "defenses.0.epochs"),
        ({"training": {"augmentation": {"bogus": 3}}}, None),
    ],
)
def test_a_misspelt_setting_gets_a_suggestion(changes: dict[str, Any], suggested: str | None) -> None:
    with pytest.raises(InputError) as caught:
        recipe_from(raw_recipe(**changes), "here")
    assert (f"did you mean {suggested}?" in str(caught.value)) == (suggested is not None)
