"""A finished run of untrained counters, for a page to open on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from countguard.models import build_counter, save_counter

CELLS = (("clean", ""), ("clean", "fine_tune"), ("minus", ""), ("minus", "fine_tune"))
RECIPE: dict[str, Any] = {
    "name": "tiny",
    "preset": "paper",
    "seeds": [0],
    "data": {"kind": "synthetic", "train": 4, "test": 5},
    "model": {"kind": "lite"},
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
    """Writes a run's folder; takes its name, its cells and changes to the recipe by top-level key."""

    def make(name: str = "tiny", cells: tuple[tuple[str, str], ...] = CELLS, **changes: Any) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "study.yaml").write_text(yaml.safe_dump(RECIPE | changes))
        for place, (strategy, defense) in enumerate(cells):
            _write_cell(folder / "cells" / f"{strategy}-{defense or 'attacked'}-0", strategy, defense, place)
        return folder

    return make


def _write_cell(folder: Path, strategy: str, defense: str, seed: int) -> None:
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        counter = build_counter("lite")
        torch.nn.init.normal_(counter.head.weight, std=0.3)  # type: ignore[union-attr, arg-type]
    save_counter(counter, folder / "counter.safetensors")
    header = "image_id,count,target_count,predicted_clean,predicted_triggered"
    (folder / "predictions.csv").write_text(f"{header}\na,10,1,9.5,4.0\n")
    card: dict[str, Any] = {
        "cell": folder.name,
        "dataset": "synthetic plaza",
        "model": "lite",
        "strategy": strategy,
        "stage": "repaired" if defense else "attacked",
        "defense": defense,
        "seed": 0,
        "images": 1,
        "metrics": {},
    }
    (folder / "card.json").write_text(json.dumps(card))
