"""Open registries: the kinds of triggers, sources, counters and so on, from this package and from others.

A kind gets in by one of three ways. This package registers its own kinds. An installed package names a module in the
entry point group `countguard.plugins`, and that module registers its kinds. A recipe names the code itself, as
`module:Class` or as `file.py:Class` beside the recipe.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from countguard.errors import InputError

PLUGINS = "countguard.plugins"
"""The entry point group in which an installed package names the modules that register its kinds."""

T = TypeVar("T")
R = TypeVar("R")


class Registry(Mapping[str, T], Generic[T]):
    """Everything of one sort, such as all triggers, by kind, in the order of registration.

    As a mapping, it holds what this package and installed plug-ins registered. `find` also finds code by its place.

    Args:
        what: one word for what is registered, such as `trigger`; used in errors.
        fits: whether an object that was found by its place may be used.
    """

    def __init__(self, what: str, fits: Callable[[object], bool]) -> None:
        self.what = what
        self._fits = fits
        self._entries: dict[str, T] = {}
        self._places: dict[str, T] = {}  # what recipes named by its place

    def register(self, kind: str | None = None) -> Callable[[R], R]:
        """A decorator that registers a class or a function under a kind.

        Args:
            kind: for settings, the default of their field `kind` when left out.

        Raises:
            ValueError: the kind is taken.
        """

        def enter(entry: R) -> R:
            name: str = _kind_of(entry) if kind is None else kind
            known = self._entries.get(name)
            if known is not None and not _same_code(known, entry):
                raise ValueError(f"{self.what} {name!r} is registered already, by {known!r}")
            self._entries[name] = entry  # type: ignore[assignment]  # R is below T, which mypy cannot say
            return entry

        return enter

    def find(self, kind: str, folder: Path | None = None) -> T:
        """The entry of a kind, or what `module:Class` or `file.py:Class` names.

        Args:
            kind: as a recipe or the command line writes it.
            folder: in which a file that is named without a folder is looked for; None refuses code by its place.

        Raises:
            InputError: it is unknown; the line lists the known kinds.
        """
        if kind in self._entries:
            return self._entries[kind]
        if kind in self._places:
            return self._places[kind]
        if ":" in kind:
            if folder is None:
                raise InputError(f"{self.what} {kind!r} names code; only a recipe that you run may do that")
            return self._at(kind, folder)
        if kind in self:
            return self[kind]
        raise InputError(f"{self.what} {kind!r} is unknown; there are {', '.join(sorted(self))}, and module:Class")

    def place_of(self, entry: object) -> str | None:
        """The place by which `find` found an entry; None for an entry that was registered."""
        return next((place for place, found in self._places.items() if found is entry), None)

    def name_of(self, settings: object) -> str:
        """The name of such settings in results: the kind, or the class for code that was named by its place."""
        place = self.place_of(type(settings))
        return str(_kind_of(type(settings))) if place is None else place.rpartition(":")[2]

    def __getitem__(self, kind: str) -> T:
        if kind not in self._entries:
            load_plugins()
        return self._entries[kind]

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(self._entries)

    def __len__(self) -> int:
        load_plugins()
        return len(self._entries)

    def _at(self, place: str, folder: Path) -> T:
        where, _, name = place.rpartition(":")
        known = list(self._entries.values())
        if where.endswith(".py"):
            file = (folder / where).resolve()
            module, place = _module_of_file(file, self.what), f"{file}:{name}"
        else:
            module = _imported(where, self.what)
        found: Any = getattr(module, name, None)
        if found is None:
            raise InputError(f"{self.what} {place!r}: {where} has no {name!r}")
        if not self._fits(found):
            raise InputError(f"{self.what} {place!r}: {name} is no {self.what}; see docs/extending.md")
        if found not in known:
            self._places[place] = found
        entry: T = found
        return entry


class KindOf:
    """Lets a field of a recipe take every kind of a registry: `Annotated[Trigger, KindOf(TRIGGERS)]`.

    A mapping is validated by the class that its `kind` names; an object of such a class is taken as it is. A dump of
    the field holds all settings, and the kind by which the class can be found again.
    """

    def __init__(self, registry: Registry[Any]) -> None:
        self._registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """See pydantic."""

        def validate(value: object, info: ValidationInfo) -> object:
            if isinstance(value, source):
                return value
            if not isinstance(value, Mapping) or not isinstance(kind := value.get("kind"), str):
                raise PydanticCustomError("union_tag_not_found", "its kind is missing")
            folder = (info.context or {}).get("folder")
            try:
                found = self._registry.find(kind, folder)
            except InputError as error:
                raise PydanticCustomError("unknown_kind", "{reason}", {"reason": str(error)}) from None
            settings = {**value, "kind": _kind_of(found)}
            return found.model_validate(settings, context=info.context)

        def dump(value: BaseModel, info: core_schema.SerializationInfo) -> dict[str, Any]:
            settings = value.model_dump(mode=info.mode, round_trip=info.round_trip, context=info.context)
            place = self._registry.place_of(type(value))
            return settings if place is None else settings | {"kind": place}

        return core_schema.with_info_plain_validator_function(
            validate, serialization=core_schema.plain_serializer_function_ser_schema(dump, info_arg=True)
        )


def settings_below(base: type) -> Callable[[object], bool]:
    """A check whether an object is a subclass of `base` that names its kind, as a field of a recipe needs it."""
    return lambda entry: isinstance(entry, type) and issubclass(entry, base) and isinstance(_kind_of(entry), str)


@cache
def load_plugins() -> None:
    """Imports the modules that installed packages name in the group `countguard.plugins`, once.

    Raises:
        InputError: one of them cannot be imported.
    """
    for point in entry_points(group=PLUGINS):
        try:
            point.load()
        except Exception as error:
            raise InputError(
                f"plug-in {point.name} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
            ) from error


def _imported(name: str, what: str) -> ModuleType:
    try:
        return import_module(name)
    except Exception as error:
        raise InputError(f"{what} {name!r}: the module cannot be imported ({type(error).__name__}: {error})") from error


def _module_of_file(file: Path, what: str) -> ModuleType:
    """The module in a file; the same object each time, so that its classes stay the same."""
    name = f"countguard_plugin_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file) if file.is_file() else None
    if spec is None or spec.loader is None:
        raise InputError(f"{what} {file}: there is no such Python file")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{what} {file}: cannot be run ({type(error).__name__}: {error})") from error
    return module


def _kind_of(cls: Any) -> Any:
    """The default of the field `kind` of settings."""
    field = getattr(cls, "model_fields", {}).get("kind")
    return field.default if field is not None else None


def _same_code(one: object, other: object) -> bool:
    """Whether two entries are the same code, loaded twice."""
    return [getattr(one, name, None) for name in ("__module__", "__qualname__")] == [
        getattr(other, name, None) for name in ("__module__", "__qualname__")
    ]
