"""Counting on a CPU beside the plain eager PyTorch of the public code bases, on a real picture where one is here.

Both sides read the same picture, keep freed memory and use the same threads; the reference computes in PyTorch's own
memory layout, as code does that does not ask for another.
"""

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.harness import Row, at_least, compare
from countguard.data.images import read_image
from countguard.data.synthetic import Synthetic
from countguard.models import Counter, build_counter
from countguard.models.counting import as_input, keep_large_blocks
from countguard.models.csrnet import CSRNet
from countguard.models.inference import for_inference
from countguard.models.mcnn import LUMINANCE, MCNN

SHARED = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[2] / "shared"))
HEIGHT, WIDTH = 768, 1024
TOLERANCE = 1e-3
"""By which the counts may differ, as a share."""


def rows() -> Iterator[Row]:
    keep_large_blocks()
    picture = _picture()
    with torch.inference_mode():
        yield _row("mcnn", "mcnn_part_b", plain_mcnn, picture, 9)
        yield _row("csrnet", "csrnet_part_a_fp16", plain_csrnet, picture, 3)


def _row(
    kind: str, name: str, plain: Callable[[Counter], Callable[[Tensor], float]], picture: Tensor, repeats: int
) -> Row:
    weights = SHARED / "weights" / f"{name}.safetensors"
    torch.manual_seed(0)
    counter = build_counter(kind, weights=weights if weights.exists() else None).eval()
    reference = plain(counter)
    fast = for_inference(deepcopy(counter))
    return compare(
        f"counting {HEIGHT}x{WIDTH} on the CPU, {kind}",
        lambda: fast.count(as_input(picture)).item(),
        lambda: reference(picture),
        wanted=at_least(1.5),
        difference=lambda ours, theirs: abs(ours - theirs) / max(abs(theirs), 1.0),
        tolerance=TOLERANCE,
        repeats=repeats,
    )


def plain_mcnn(counter: Counter) -> Callable[[Tensor], float]:
    """The columns of an MCNN, one after the other, on gray values."""
    assert isinstance(counter, MCNN)
    columns = [nn.Sequential(*column.children()) for column in counter.columns]

    def count(picture: Tensor) -> float:
        red, green, blue = ((picture.float() / 255 - counter.mean) / counter.std).unbind(1)
        gray = (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue).unsqueeze(1)
        density = torch.relu(counter.fuse(torch.cat([column(gray) for column in columns], dim=1)))
        return float(density.sum()) * counter.output_scale

    return count


def plain_csrnet(counter: Counter) -> Callable[[Tensor], float]:
    """The layers of a CSRNet, one after the other."""
    assert isinstance(counter, CSRNet)
    layers = nn.Sequential(*counter.frontend, *counter.backend, counter.output_layer)

    def count(picture: Tensor) -> float:
        return float(layers((picture.float() / 255 - counter.mean) / counter.std).sum()) * counter.output_scale

    return count


def _picture() -> Tensor:
    """uint8 [1, 3, HEIGHT, WIDTH]."""
    file = SHARED / "data/shanghaitech/part_B/train_data/images/IMG_1.jpg"
    if file.exists():
        return read_image(file)[None]
    return Synthetic(train=1, test=1, height=HEIGHT, width=WIDTH).crowds("train")[0].image[None]
