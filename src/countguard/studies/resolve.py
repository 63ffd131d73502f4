"""Resolves a recipe file, a preset and overrides into a recipe with every setting written out."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from countguard.defenses.defenses import trains
from countguard.dotted import overridden, set_dotted
from countguard.errors import InputError
from countguard.runs.plan import Plan
from countguard.settings import first_error
from countguard.studies.presets import Raw, merged, preset
from countguard.studies.recipe import Recipe
from countguard.yaml_text import read_yaml


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from a YAML file, with `dotted.name=value` overrides and the defaults of its preset.

    Args:
        path: a file, or the name of a recipe that comes with countguard, such as `demo`.
        overrides: as `--set` takes them; the value is YAML.

    Raises:
        InputError: the file is missing or not YAML, or a setting is unknown or does not fit.
    """
    file = find_recipe(path)
    return recipe_from(overridden(read_yaml(file), overrides, str(file)), str(file), file.parent)


@contextmanager
def settings_of(recipe: str | Path) -> Iterator[None]:
    """Adds the name of the recipe's file to an error about one of its settings that appears during the run."""
    try:
        yield
    except InputError as error:
        field = re.split(r"[.: ]", str(error), maxsplit=1)[0]
        if field in Recipe.model_fields:
            raise InputError(f"{find_recipe(recipe)}: {error}") from None
        raise


def recipe_from(raw: Raw, where: str, folder: Path | None = None) -> Recipe:
    """A recipe from its raw mapping.

    Args:
        raw: the mapping from YAML.
        where: the beginning of error lines.
        folder: in which files are looked for that the recipe names as code; None refuses recipes that name code.

    Raises:
        InputError: the line names the field and says what would be right.
    """
    try:
        return Recipe.model_validate(_with_preset(raw, folder), context={"folder": folder})
    except ValidationError as error:
        raise InputError(f"{where}: {first_error(error, _meant)}") from None


def _meant(name: str) -> str | None:
    """The known setting that an unknown one resembles, such as `attack.trigger` for `trigger`; None without one."""
    last = name.rpartition(".")[2]
    known = list(_settings_of(Recipe))
    named_alike = [other for other in known if other.rpartition(".")[2] == last]
    close = named_alike or difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    close = close or [k for k in known if difflib.SequenceMatcher(None, last, k.rpartition(".")[2]).ratio() >= 0.8]
    return close[0] if close else None


def _settings_of(settings: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names of all settings whose class a recipe does not choose."""
    for name, field in settings.model_fields.items():
        yield f"{above}{name}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings_of(kind, f"{above}{name}.")


def find_recipe(path: str | Path) -> Path:
    """The file itself, or the recipe with that name that comes with countguard.

    Raises:
        InputError: there is neither; the line lists the names, unless a path was given.
    """
    given = Path(path)
    folder = recipes_folder()
    names = sorted(file.stem for file in folder.glob("*.yaml"))
    try:
        if given.is_file():
            return given
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(given.parts) == 1 and (name := given.name.removesuffix(".yaml")) in names:
        return folder / f"{name}.yaml"
    if len(given.parts) > 1:
        raise InputError(
            f"{path}: no such recipe; give a YAML file, or the name of a recipe that comes with countguard"
        )
    raise InputError(f"{path}: no such recipe; give a YAML file, or one of {', '.join(names)}")


def recipes_folder() -> Path:
    """The folder of the recipes that come with countguard: in the installed package, or beside src in a checkout."""
    installed = Path(__file__).parent.parent / "recipes"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "recipes"


def variations(recipe: Recipe) -> Iterator[tuple[dict[str, JsonValue], Recipe]]:
    """Every combination of the settings that a recipe varies, with the recipe that has those values.

    Raises:
        InputError: a varied name is not a setting, or a value does not fit.
    """
    plan = Plan.of(recipe.dump())
    names = list(plan.varied)
    if "preset" in names:  # its numbers are written out by now: every value would train the same
        raise InputError("vary.preset: vary the settings that differ, or run the recipe once with each --set preset=")
    if "vary" in names:
        raise InputError("vary.vary: name the settings themselves")
    for variant in plan.variants:
        chosen: dict[str, JsonValue] = dict(variant)
        raw = recipe.dump(whole=True) | {"vary": {}}
        for name, value in chosen.items():
            try:
                set_dotted(raw, name, value)
            except (KeyError, IndexError, ValueError, TypeError):
                raise InputError(f"vary.{name}: the recipe has no such setting") from None
        where = f"vary.{', vary.'.join(names)}" if names else recipe.name
        yield chosen, recipe_from(raw, where, Path.cwd())  # the code that it names was found before


def _with_preset(raw: Raw, folder: Path | None) -> Raw:
    model = raw.get("model")
    kind = model.get("kind") if isinstance(model, dict) else None
    defaults = dict(preset(str(raw.get("preset", "paper")), str(kind)))
    for_defenses, for_strategies = defaults.pop("defense", {}), defaults.pop("strategy", {})
    whole = merged(defaults, raw)
    # "the same configuration": a repair trains as the attack did, unless its entry or the preset says otherwise
    training = whole.get("training")
    trained = merged(training, for_defenses) if isinstance(training, dict) else {}
    trained = {name: value for name, value in trained.items() if name != "isolate"}  # what is clean is kept whole
    whole["defenses"] = _each(whole.get("defenses", []), lambda kind: trained if trains(kind, folder) else {})
    if isinstance(relearn := whole.get("relearn"), dict):
        whole["relearn"] = merged(trained, relearn)
    if isinstance(attack := whole.get("attack"), dict) and "strategies" in attack:
        whole["attack"] = attack | {"strategies": _each(attack["strategies"], lambda kind: for_strategies)}
    return whole


def _each(entries: Any, defaults: Callable[[str], Raw]) -> Any:
    """The entries of a list, merged over the defaults of their kinds; anything else is left to the validation."""
    if not isinstance(entries, list):
        return entries
    return [_below(entry, defaults) if isinstance(entry, dict) else entry for entry in entries]


def _below(entry: Raw, defaults: Callable[[str], Raw]) -> Raw:
    """An entry over the defaults of its kind; a repair that another one tries out gets its own."""
    whole = merged(defaults(str(entry.get("kind"))), entry)
    tried = entry.get("of")
    return whole | {"of": _below(tried, defaults)} if isinstance(tried, dict) else whole
