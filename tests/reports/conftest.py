"""Runs to report on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countguard.reports.report import write_report
from made_run import MadeRun, build_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Builds a run in a folder of its own; takes MadeRun's fields."""

    def make(name: str = "run", **changes: Any) -> Path:
        return build_run(MadeRun(folder=tmp_path / name, **changes))

    return make


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report, for tests that only look."""
    folder = build_run(MadeRun(folder=tmp_path_factory.mktemp("reported") / "run"))
    write_report(folder)
    return folder
