"""YAML as recipes and run folders hold it: plain values, without tags and aliases."""

import re
from pathlib import Path
from typing import Any

import yaml

from countguard.errors import InputError
from countguard.reading import read_file

LARGEST = 1024 * 1024
"""Bytes; a recipe is about a page of text."""


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
        return yaml.load(text, Loader=_Loader)
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
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """SafeDumper for `load_yaml`: it quotes texts that look like numbers, and uses no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


for _yaml in (_Loader, _Dumper):
    _yaml.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )
