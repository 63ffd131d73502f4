"""A small raw recipe to change."""

from typing import Any


def raw_recipe(**changes: Any) -> dict[str, Any]:
    """A whole recipe as YAML would give it, with top-level entries replaced."""
    return {
        "name": "small",
        "data": {"kind": "synthetic", "train": 4, "test": 2, "height": 48, "width": 64, "heads": [2, 9]},
        "model": {"kind": "lite"},
        "attack": {"strategies": [{"kind": "minus"}, {"kind": "multiply"}]},
        "training": {"epochs": 1, "batch_size": 2},
        "defenses": [{"kind": "fine_tune"}],
        "machine": {"accelerator": "cpu", "threads": 1},
    } | changes
