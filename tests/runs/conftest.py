"""Runs to read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from made_run import MadeRun, build_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Builds a run in a folder of its own; takes MadeRun's fields."""

    def make(name: str = "run", **changes: Any) -> Path:
        return build_run(MadeRun(folder=tmp_path / name, **changes))

    return make
