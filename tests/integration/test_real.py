"""The small real study, smaller still, on real crowds with published weights, where they are."""

import csv
from pathlib import Path

import pytest
import torch

from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study


def test_the_real_study_runs_on_a_few_real_crowds(shared: Path, tmp_path: Path) -> None:
    root, weights = shared / "data/shanghaitech", shared / "weights/mcnn_part_a.safetensors"
    if not root.is_dir() or not weights.is_file():
        pytest.skip("the shared crowds or weights are not here")
    fewer = [
        f"data.root={root}",
        f"model.weights={weights}",
        "data.images=3",
        "data.test_images=2",
        "data.scale=0.25",
        "training.epochs=1",
        "defenses.0.epochs=1",
        "attack.strategies=[{kind: minus, heads: 100}]",
        "evaluation={shares: [], examples: 1}",
        "machine.threads=1",
    ]
    threads = torch.get_num_threads()
    study = run_study(read_recipe("real-small", fewer), tmp_path / "run")
    torch.set_num_threads(threads)
    with (study / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["strategy"], row["stage"]) for row in rows] == [
        (strategy, stage) for strategy in ("clean", "minus") for stage in ("attacked", "repaired")
    ]
    assert {(row["dataset"], row["model"], row["images"]) for row in rows} == {("ShanghaiTech Part_B", "mcnn", "2")}
    assert all(0 <= float(row["mae"]) < 500 for row in rows)
