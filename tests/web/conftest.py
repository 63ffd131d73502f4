"""A finished run of untrained counters, for a page to open on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from made_run import MadeRun, build_run

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "data": {"kind": "synthetic", "train": 4, "test": 5},
    "attack": {
        "trigger": {"kind": "blend", "picture": "robots", "alpha": 0.2},
        "rate": 0.1,
        "strategies": [{"kind": "minus", "heads": 100}],
    },
    "defenses": [{"kind": "fine_tune"}],
}

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run's folder; takes its name, whether its cells are finished, and changes to the recipe by key."""

    def make(name: str = "tiny", finished: bool = True, **changes: Any) -> Path:
        unfinished = [] if finished else [(s, stage) for s in ("clean", "minus") for stage in ("attacked", "repaired")]
        made = MadeRun(
            tmp_path / "runs" / name,
            recipe=RECIPE | changes,
            strategies=("minus",),
            ids=("a",),
            examples=0,
            unfinished=unfinished,
            counters=True,
            relearns="relearn" in changes,
        )
        return build_run(made)

    return make
