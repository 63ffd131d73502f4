"""A counter's settings as the command line gives them."""

from collections.abc import Sequence
from typing import Any

import yaml

from countguard.errors import InputError


def settings_given(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings by name, from NAME=VALUE with values as YAML writes them.

    Raises:
        InputError: a pair has no name or no value, or its value cannot be read.
    """
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise InputError(f"--set {pair}: should be NAME=VALUE")
        try:
            settings[name] = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError):
            raise InputError(f"--set {name}: {text[:80]!r} cannot be read; write it as YAML, such as [a, b]") from None
    return settings
