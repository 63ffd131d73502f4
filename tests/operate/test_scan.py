"""A scan from files to files: it goes on where it was interrupted."""

import json
import time
from pathlib import Path

import torch

from countguard.data.synthetic import Synthetic
from countguard.models import build_counter, save_counter
from countguard.operate.scan import scan_counter
from interrupting import interrupted_until_done

DATA = Synthetic(train=10, test=1, height=48, width=64, heads=(4, 40))


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_counter(build_counter("lite", channels=2), tmp_path / "suspect.safetensors")

    def scan(name: str) -> None:
        scan_counter(tmp_path / "suspect.safetensors", DATA, tmp_path / name)

    began = time.monotonic()
    scan("whole")
    interrupted_until_done(lambda: scan("torn"), time.monotonic() - began, times=6)
    one, other = (json.loads((tmp_path / name / "scan.json").read_text()) for name in ("whole", "torn"))
    assert one == other
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["scan.html", "scan.json"] * 2 + ["suspect.safetensors", "torn", "whole"]
    )
