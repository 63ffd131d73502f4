"""Registries take kinds from this package, from files beside a recipe, and refuse code that nobody asked for."""

import pickle
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from countguard.attacks.triggers import TRIGGERS, AnyTrigger, Blend
from countguard.errors import InputError
from countguard.models import COUNTERS, build_counter, load_counter, save_counter
from countguard.registry import Registry, settings_below
from countguard.settings import Settings
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import read_recipe
from countguard.yaml_text import dump_yaml, read_yaml
from raw_recipe import raw_recipe

TRIGGER = """
from typing import Literal
from countguard.attacks.trigger import Trigger

class Invert(Trigger):
    kind: Literal["invert"] = "invert"
    level: int = 255
    def __call__(self, image, points, generator):
        return self.level - image, points
    def with_strength(self, strength):
        return self
"""
COUNTER = """
from countguard.models.lite import Lite

class Doubled(Lite):
    def density(self, normalised):
        return 2 * super().density(normalised)
"""


class Shape(Settings):
    pass


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that names a trigger and a counter by files beside it."""
    (tmp_path / "mine.py").write_text(TRIGGER + COUNTER)
    raw = raw_recipe(model={"kind": "mine.py:Doubled"})
    raw["attack"]["trigger"] = {"kind": "mine.py:Invert", "level": 250}
    (tmp_path / "recipe.yaml").write_text(dump_yaml(raw))
    return tmp_path / "recipe.yaml"


def test_a_recipe_names_code_in_a_file_beside_it(recipe: Path) -> None:
    read = read_recipe(recipe)
    assert type(read.attack.trigger).__name__ == "Invert"
    assert read.attack.trigger.level == 250  # type: ignore[attr-defined]
    assert type(read.model.build(0)).__name__ == "Doubled"


def test_its_dump_finds_the_code_again_from_any_folder(recipe: Path, tmp_path: Path) -> None:
    read = read_recipe(recipe)
    study = tmp_path / "elsewhere" / "study.yaml"
    study.parent.mkdir()
    study.write_text(dump_yaml(read.dump()))
    assert read_recipe(study).dump() == read.dump()
    assert pickle.loads(pickle.dumps(read)).dump() == read.dump()


def test_code_is_refused_where_no_recipe_names_it(recipe: Path) -> None:
    with pytest.raises(ValidationError, match="names code"):
        Recipe.model_validate(read_yaml(recipe))
    with pytest.raises(ValidationError, match="names code"):
        TypeAdapter(AnyTrigger).validate_python({"kind": "os:system"})


def test_a_checkpoint_runs_no_code_that_this_process_was_not_told_of(recipe: Path, tmp_path: Path) -> None:
    counter = read_recipe(recipe).model.build(0)
    save_counter(counter, tmp_path / "own.safetensors")
    assert type(load_counter(tmp_path / "own.safetensors")).__name__ == "Doubled"
    content = (tmp_path / "own.safetensors").read_bytes()
    header, other = b"mine.py:Doubled", b"evil.py:Doubled"
    assert header in content
    (tmp_path / "evil.py").write_text("raise SystemExit('was run')")
    (tmp_path / "stranger.safetensors").write_bytes(content.replace(header, other))
    with pytest.raises(InputError, match=r"stranger\.safetensors: .*names code"):
        load_counter(tmp_path / "stranger.safetensors")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("mine.py:Absent", "has no 'Absent'"),
        ("mine.py:Literal", "is no trigger"),
        ("absent.py:Invert", "there is no such Python file"),
        ("broken.py:Invert", "cannot be run .ZeroDivisionError"),
        ("no.such.module:Invert", "cannot be imported"),
        ("sparkle", "unknown; there are blend, low_frequency"),
    ],
)
def test_what_cannot_be_found_is_one_line(recipe: Path, kind: str, line: str) -> None:
    (recipe.parent / "broken.py").write_text("1 / 0")
    with pytest.raises(InputError, match=line) as caught:
        read_recipe(recipe, [f"attack.trigger.kind={kind}"])
    assert "\n" not in str(caught.value)
    assert "attack.trigger" in str(caught.value)


def test_one_kind_stands_for_one_class() -> None:
    shapes: Registry[type[Shape]] = Registry("shape", settings_below(Shape))

    @shapes.register("round")
    class Round(Shape):
        pass

    assert shapes.register("round")(Round) is Round
    with pytest.raises(ValueError, match="'round' is registered already"):
        shapes.register("round")(Blend)
    assert list(shapes) == ["round"]


def test_every_registered_trigger_and_counter_is_found_by_its_kind() -> None:
    assert all(TRIGGERS.find(kind).model_fields["kind"].default == kind for kind in TRIGGERS)
    assert all(COUNTERS.find(kind).kind == kind for kind in COUNTERS)
    with pytest.raises(InputError, match=r"model\.kind 'nothing' is unknown; there are can, clip_ebc"):
        build_counter("nothing")
