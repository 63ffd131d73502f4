"""A counter's settings as the command line gives them."""

from collections.abc import Sequence
from typing import Any

import yaml

from countguard.errors import InputError
from countguard.yaml_text import load_yaml


def settings_given(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings by name, from NAME=VALUE with values as YAML writes them.

    Raises:
        InputError: a pair has no name or no value, its value cannot be read, or a name stands twice.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise InputError(f"--set {pair}: should be NAME=VALUE")
        if name in settings:
            raise InputError(f"--set {pair}: {name} is set twice")
        try:
            settings[name] = load_yaml(text)
        except yaml.YAMLError:
            raise InputError(f"--set {name}: {text[:80]!r} cannot be read; write it as YAML, such as [a, b]") from None
    return settings
