"""YAML as recipes and run folders hold it: plain values, without tags and aliases."""

import re
from pathlib import Path
from typing import Any

import yaml

from countguard.errors import InputError
from countguard.reading import read_file

LARGEST = 1024 * 1024
"""Bytes; a recipe is about a page of text."""

_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9_]*)(\.[0-9_]*)?|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.IGNORECASE)
"""YAML 1.1 knows numbers in bases 2, 8, 16 and 60 as well: 010 is eight there, and 1:30 is ninety."""


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a YAML file of at most `LARGEST` bytes.

    Raises:
        InputError: the file is missing, no plain file, too large, or does not hold a mapping.
    """
    try:
        raw = load_yaml(read_file(path, LARGEST).decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no YAML ({' '.join(str(error).split())[:160]})") from None
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise InputError(f"{path}: a recipe is a mapping of names to settings")
    return raw


def load_yaml(text: str) -> Any:
    """A value from YAML text.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _require_plain(node, "")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise yaml.YAMLError("nested too deep") from None
    except (ValueError, LookupError, AttributeError, TypeError) as error:  # PyYAML on 2020-13-45 or !!timestamp x
        raise yaml.YAMLError(str(error)) from None


def dump_yaml(value: Any) -> str:
    """YAML text that `load_yaml` reads back as it was."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-5 as a number and refuses aliases, since ten nested ones can expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a recipe")
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise yaml.YAMLError("tags are not allowed in a recipe")
        return super().compose_node(parent, index)


def _require_plain(node: yaml.Node, name: str) -> None:
    """Refuses numbers that are not decimal, and names that stand twice, by their dotted names."""
    if isinstance(node, yaml.ScalarNode):
        is_number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if is_number and not _DECIMAL.fullmatch(node.value):
            raise yaml.YAMLError(f"{name or 'the value'}: {node.value[:40]} should be a decimal number, or in quotes")
    elif isinstance(node, yaml.SequenceNode):
        for place, entry in enumerate(node.value):
            _require_plain(entry, f"{name}.{place}".lstrip("."))
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, entry in node.value:
            below = f"{name}.{key.value}".lstrip(".") if isinstance(key, yaml.ScalarNode) else name
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                raise yaml.YAMLError(f"{below[:80]}: stands twice")
            names.add(str(key.value))
            _require_plain(entry, below[:200])


class _Dumper(yaml.SafeDumper):
    """SafeDumper for `load_yaml`: it quotes texts that look like numbers, and writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


for _yaml in (_Loader, _Dumper):
    _yaml.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )
