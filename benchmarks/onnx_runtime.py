"""Counting with onnxruntime beside torch: each counter's exported file, on real pictures where they are here."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Row, at_most, compare
from countguard.data.images import read_image
from countguard.data.synthetic import Synthetic
from countguard.models import Counter, build_counter, load_counter
from countguard.models.counting import as_input
from countguard.models.onnx_export import TOLERANCE, export_onnx

SHARED = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[2] / "shared"))
HEIGHT, WIDTH = 384, 512
COUNTERS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "lite": (None, {}),
    "mcnn": ("mcnn_part_b", {}),
    "csrnet": ("csrnet_part_a_fp16", {}),
    "p2pnet": (None, {}),
    "clip_ebc": (None, {}),
}
"""Trained weights of the shared folder, and settings; random weights where there are none."""


def rows() -> Iterator[Row]:
    picture = _picture()
    with tempfile.TemporaryDirectory() as folder:
        for kind, (name, settings) in COUNTERS.items():
            weights = SHARED / "weights" / f"{name}.safetensors"
            torch.manual_seed(0)
            counter = build_counter(kind, weights=weights if weights.exists() else None, **settings).eval()
            _wake(counter)
            path = Path(folder) / f"{kind}.onnx"
            export_onnx(counter, path)
            yield _row(kind, counter, load_counter(path), picture)
            path.unlink()


def _row(kind: str, counter: Counter, exported: Counter, picture: Tensor) -> Row:
    return compare(
        f"counting {HEIGHT}x{WIDTH} by onnxruntime, {kind}, CPU",
        lambda: exported.count(picture).item(),
        lambda: counter.count(picture).item(),
        wanted=at_most(1.5),
        difference=lambda ours, theirs: abs(ours - theirs) / max(abs(theirs), 1.0),
        tolerance=TOLERANCE,
        repeats=7,
    )


def _wake(counter: Counter) -> None:
    """Gives a random P2PNet heads to find; the others count something as they are."""
    if counter.kind == "p2pnet":
        torch.nn.init.normal_(counter.classification.output.weight, std=0.1)  # type: ignore[union-attr, arg-type]


def _picture() -> Tensor:
    """A piece of a real picture, or of an embedded one: [1, 3, HEIGHT, WIDTH] in 0..1."""
    file = SHARED / "data/shanghaitech/part_B/train_data/images/IMG_1.jpg"
    if file.exists():
        image = read_image(file)[:, -HEIGHT:, :WIDTH]
    else:
        image = Synthetic(train=1, test=1, height=HEIGHT, width=WIDTH).crowds("train")[0].image
    return as_input(image.unsqueeze(0))
