"""YAML beside a data set: a small mapping, without tags and aliases."""

from pathlib import Path
from typing import Any

import yaml

from countguard.errors import InputError
from countguard.reading import read_file, require_inside

MAX_YAML_BYTES = 1 << 20


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias")
        return super().compose_node(parent, index)


def read_mapping(path: Path, root: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        InputError: it is none, is too large, has an alias, or is a link that leaves the data set.
    """
    require_inside(path, root.resolve())
    try:
        content = yaml.load(read_file(path, MAX_YAML_BYTES), Loader=_PlainLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is no YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: should be a mapping of names to values")
    return content
