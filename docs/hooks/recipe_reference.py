"""Writes the reference of the recipe: every field, from the classes that validate it, and every kind there is."""

import dataclasses
import inspect
import re
import types
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from griffe import Docstring, DocstringSectionKind
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import countguard as cg
from countguard.registry import KindOf, Registry
from countguard.studies.presets import preset
from countguard.studies.recipe import ModelSettings, Recipe

OPENING = """# Recipe

A recipe is one YAML file. `--set NAME=VALUE` changes a setting by its dotted name, such as `attack.trigger.alpha`. A
setting that the recipe leaves out takes its value from the [preset](#presets), then the default given here. The file
`study.yaml` of a run holds all values that were used. An unknown name ends with one line that names it.

Where a table says *kind of*, the setting is a mapping whose `kind` is one of those listed there, the kind of an
installed plug-in, `module:Class`, or `file.py:Class` beside the recipe ([extending](../extending.md)).
"""
WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", types.NoneType: "null"}
SIGNS = {
    annotated_types.Ge: ("ge", "≥"),
    annotated_types.Gt: ("gt", ">"),
    annotated_types.Le: ("le", "≤"),
    annotated_types.Lt: ("lt", "<"),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds reference/recipe.md."""
    files.append(File.generated(config, "reference/recipe.md", content=_Page().text()))
    return files


class _Page:
    """The page while it is written. A class or a registry that a table mentions gets a section of its own."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Any]] = []
        self._seen: set[int] = set()

    def text(self) -> str:
        parts = [OPENING, self._table(Recipe)]
        while self._waiting:
            heading, item = self._waiting.pop(0)
            parts.append(f"## {heading}")
            if isinstance(item, Registry):
                parts += self._kinds(item)
            elif item is ModelSettings:
                parts += [_summary(item), *self._counters()]
            else:
                parts += [_summary(item), self._table(item)]
        return "\n\n".join([*parts, *_presets(), *_named("Metrics", cg.METRICS), *_named("Figures", cg.FIGURES)])

    def _kinds(self, registry: Registry[Any]) -> Iterator[str]:
        for kind, cls in registry.items():
            yield _kind_heading(registry.what, kind)
            yield _summary(cls)
            yield self._table(cls)

    def _counters(self) -> Iterator[str]:
        yield self._table(ModelSettings)
        yield "Every other key is an argument of the counter's constructor. The kinds are:"
        for kind, cls in cg.COUNTERS.items():
            rows = []
            hints = typing.get_type_hints(cls.__init__, include_extras=True)
            meanings = _meanings(cls)
            for name, parameter in inspect.signature(cls.__init__).parameters.items():
                if name != "self":
                    default = parameter.default
                    rows.append((name, self._type(hints[name]), _value(default), meanings.get(name, "")))
            yield _kind_heading("counter", kind)
            yield _summary(cls)
            yield _rows(rows)

    def _table(self, cls: Any) -> str:
        meanings, rows = _meanings(cls), []
        for name, field in _fields(cls).items():
            if name == "kind" and cls is not ModelSettings:
                continue
            known = self._type(field.annotation, field.metadata)
            default = "required" if field.is_required() else _value(field.get_default(call_default_factory=True))
            rows.append((name, known, default, meanings.get(name, "")))
        return _rows(rows) if rows else "It has no settings."

    def _type(self, annotation: Any, metadata: Any = ()) -> str:
        """What a setting may be, in words, with links to the sections of what it is made of."""
        for item in metadata:
            if isinstance(item, KindOf):
                return f"kind of {self._link(_words(item._registry.what), item._registry)}"
        limits = _limits(metadata)
        known = self._without_limits(annotation)
        return f"{known}, {limits}" if limits else known

    def _without_limits(self, annotation: Any) -> str:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            flat = [
                part for item in arguments[1:] for part in (item.metadata if isinstance(item, FieldInfo) else [item])
            ]
            return self._type(arguments[0], flat)
        if origin is Literal:
            return " or ".join(f"`{value}`" for value in arguments)
        if origin in (Union, types.UnionType):
            return " or ".join(self._type(argument) for argument in arguments)
        if origin in (tuple, list) and (len(arguments) == 1 or arguments[-1] is Ellipsis):
            return f"list of: {self._type(arguments[0])}"
        if origin is tuple:
            inner = dict.fromkeys(self._type(argument) for argument in arguments)
            return f"list of {len(arguments)}: {'; '.join(inner)}"
        if origin in (dict, Mapping):
            return "mapping"
        if annotation in WORDS:
            return WORDS[annotation]
        if isinstance(annotation, type) and _fields(annotation):
            return self._link(_heading(annotation), annotation)
        return "any value"

    def _link(self, words: str, item: Any) -> str:
        if id(item) not in self._seen:
            self._seen.add(id(item))
            self._waiting.append((words[0].upper() + words[1:], item))
        return f"[{words}](#{_anchor(words)})"


def _fields(cls: Any) -> dict[str, FieldInfo]:
    if isinstance(cls, type) and issubclass(cls, BaseModel):
        return dict(cls.model_fields)
    return dict(getattr(cls, "__pydantic_fields__", {}))


def _heading(cls: type) -> str:
    """`MachineSettings` as "machine settings"."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in cls.__name__).strip()


def _words(what: str) -> str:
    return {"model.kind": "counter"}.get(what, what)


def _anchor(words: str) -> str:
    return words.lower().replace(" ", "-").replace("_", "-")


def _kind_heading(what: str, kind: str) -> str:
    return f"### `{kind}` {{ #{_anchor(what)}-{_anchor(kind)} }}"


def _summary(cls: Any) -> str:
    """A docstring without its sections."""
    parsed = Docstring(inspect.getdoc(cls) or "").parse("google", warnings=False)
    return "\n\n".join(section.value for section in parsed if section.kind is DocstringSectionKind.text)


def _meanings(cls: type) -> dict[str, str]:
    """What each setting means, by the docstrings of the class and those below it."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        parsed = Docstring(inspect.cleandoc(base.__dict__.get("__doc__") or "")).parse("google", warnings=False)
        for section in parsed:
            if section.kind in (DocstringSectionKind.attributes, DocstringSectionKind.parameters):
                for item in section.value:
                    for name in map(str.strip, item.name.split(",")):
                        if name not in found or not item.description.startswith("see "):
                            found[name] = item.description
    return found


def _limits(metadata: Any) -> str:
    """The range of a number, as `0 to 1` or `> 0, ≤ 10`."""
    found = {
        sign: getattr(item, name) for item in metadata for kind, (name, sign) in SIGNS.items() if type(item) is kind
    }
    if found.keys() == {"≥", "≤"}:
        return f"{found['≥']} to {found['≤']}"
    return ", ".join(f"{sign} {found[sign]}" for _, sign in SIGNS.values() if sign in found)


def _value(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
    value_alone = text.removesuffix("...\n").strip()
    return f"`{value_alone}`"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _rows(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["| setting | value | default | meaning |", "|---|---|---|---|"]
    for name, known, default, meaning in rows:
        in_yaml = re.sub(r"\bNone\b", "`null`", " ".join(meaning.split()))
        cells = (f"`{name}`", known, default, in_yaml)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _presets() -> Iterator[str]:
    yield "## Presets"
    yield (inspect.getdoc(preset) or "").partition("\n\n")[2]
    yield (
        "`defense` is for every repair that trains, `strategy` for every strategy. A kind of counter that is missing "
        "here has the defaults of the tables above."
    )
    for name in get_args(Recipe.model_fields["preset"].annotation):
        yield f"### `{name}`"
        if name != "paper":
            yield "The values of `paper`, but for these:"
        kinds: dict[str, list[str]] = defaultdict(list)
        for kind in cg.COUNTERS:
            settings = preset(name, kind)
            text = yaml.dump(
                settings if name == "paper" else _changed(preset("paper", kind), settings), Dumper=_NoAliases
            )
            kinds[text].append(kind)
        for text, names in kinds.items():
            yield f"For {', '.join(f'`{kind}`' for kind in names)}:\n\n```yaml\n{text}```"


class _NoAliases(yaml.SafeDumper):
    """Writes a value each time that it occurs."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is in `after` and not in `before`, nested as it is."""
    found = {}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(value, dict) and isinstance(known, dict) and value.get("kind") == known.get("kind"):
            value = _changed(known, value)
        if value != known and value != {}:
            found[name] = value
    return found


def _named(heading: str, registry: Registry[Any]) -> Iterator[str]:
    yield f"## {heading}"
    yield "The recipe does not name them: a run has all of them, those of plug-ins too."
    lines = ["| name | meaning |", "|---|---|"]
    for name, entry in registry.items():
        function = entry.function if isinstance(entry, cg.Metric) else entry.draw
        meaning = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
        lines.append(f"| `{name}` | {meaning} |")
    yield "\n".join(lines)
