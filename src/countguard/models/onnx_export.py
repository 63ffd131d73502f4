"""A counter as one ONNX file, for machines that have no PyTorch."""

import copy
import json
import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from countguard.errors import InputError, RunError
from countguard.models.checkpoint import KEY
from countguard.models.counter import Counter
from countguard.models.onnx_file import require_onnx_place
from countguard.models.onnx_package import onnx_package, onnx_runtime
from countguard.models.registry import kind_of
from countguard.writing import write_atomically

INPUT, DENSITY, COUNT, POINTS = "images", "density", "count", "points"
"""Names in the graph."""
TOLERANCE = 1e-3
"""Greatest difference of two counts, as a fraction of the greater one, that an export may have."""
LARGEST = (1 << 31) - 1
"""Bytes of one ONNX file; protocol buffers hold no more."""
_PROBES = ((75, 109), (96, 64))
"""Sizes of the images on which the file is compared with the counter: neither is the one that was traced."""


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was written.

    Attributes:
        path: where.
        size: bytes.
        difference: greatest difference of its counts from the counter's, as a fraction of the count.
    """

    path: Path
    size: int
    difference: float


def export_onnx(
    counter: Counter, path: str | PathLike[str], *, uint8: bool = False, inputs: Iterable[Path] = ()
) -> Export:
    """Write a counter to an ONNX file, after the file has counted as the counter does.

    Its input is `images` [batch, 3, height, width], RGB, any batch and size; normalisation lies inside. Its outputs are
    `density`, people per map cell [batch, 1, rows, columns], and `count` [batch]. An image of any size is looked at
    whole: tiles are the caller's affair, and its metadata says how large they may be.

    Args:
        counter: on any device; left as it was.
        path: the file.
        uint8: the input holds bytes, 0 to 255; otherwise float32 in 0..1.
        inputs: files that the counter came from, none of which is replaced.

    Raises:
        InputError: a package is missing, the path cannot be written, or the counter gives no finite number.
        RunError: the network cannot be exported, counts otherwise once exported, or is too large for one file.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: an ONNX file's name ends in .onnx")
    onnx_package(), onnx_runtime()
    require_onnx_place(path, "--out", inputs)
    network = _Network(copy.deepcopy(counter).cpu()).eval().requires_grad_(False)
    _require_numbers(network, uint8)
    model = _traced(network, uint8)
    _forget_sources(model)
    _describe(model, counter)
    content = model.SerializeToString()
    if len(content) > LARGEST:
        raise RunError(f"{path}: would have {len(content):,} bytes; an ONNX file holds {LARGEST:,}")
    difference = _difference(content, network, uint8)
    if not difference <= TOLERANCE:
        raise RunError(f"{path}: counts differ by {difference:.1e} of the counter's once exported; nothing was written")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); nothing was written") from None
    return Export(path, len(content), difference)


class _Network(nn.Module):
    """A counter that gives its density, its count and, if it is one of points, these."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self.counter = counter

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        density, points = self.counter.outputs(images)
        density = density.float()
        count = density.sum(dim=(1, 2, 3))
        return (density, count) if points is None else (density, count, points.float())


def _probe(height: int, width: int, uint8: bool, batch: int = 2) -> Tensor:
    """Images whose every pixel matters, the same each time."""
    wave = torch.arange(batch * 3 * height * width, dtype=torch.float64).mul(0.37).sin().mul(0.5).add(0.5)
    images = wave.float().view(batch, 3, height, width)
    return images.mul(255).byte() if uint8 else images


def _require_numbers(network: _Network, uint8: bool) -> None:
    with torch.inference_mode():
        outputs = network(_probe(*_PROBES[0], uint8, 1))
    if not all(output.isfinite().all() for output in outputs):
        raise InputError("the counter gives no finite number of people; its weights or settings are damaged")


def _traced(network: _Network, uint8: bool) -> Any:
    """The network as an ONNX model.

    Raises:
        RunError: the exporter cannot take it.
    """
    any_size = torch.export.Dim.DYNAMIC
    with torch.inference_mode():
        given = len(network(_probe(80, 112, uint8)))
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            program = torch.onnx.export(
                network,
                (_probe(80, 112, uint8),),
                input_names=[INPUT],
                output_names=[DENSITY, COUNT, POINTS][:given],
                dynamic_shapes=({0: any_size, 2: any_size, 3: any_size},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # what an exporter says depends on the network
        said = (str(error).splitlines() or [""])[0][:200]
        raise RunError(f"the network cannot be exported ({type(error).__name__}: {said})") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert program is not None
    return program.model_proto


def _forget_sources(model: Any) -> None:
    """Takes out what the exporter notes of the code that it came from, file names of this machine among it."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.ClearField("producer_version")


def _describe(model: Any, counter: Counter) -> None:
    """Notes what a reader needs beside the graph: of which counter it is, and how large images are cut."""
    facts: dict[str, Any] = {
        "version": 1,
        "kind": kind_of(counter) or counter.kind,
        "settings": counter.settings(),
        "stride": counter.stride,
        "align": counter.align,
        "margin": counter.margin,
        "tile": counter.tile,
    }
    if "threshold" in facts["settings"]:
        facts["threshold"] = facts["settings"]["threshold"]
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(facts)


def _difference(content: bytes, network: _Network, uint8: bool) -> float:
    """How far the file's counts are from the counter's, as a fraction of the people, on images of other sizes."""
    session = onnx_runtime().InferenceSession(content, providers=["CPUExecutionProvider"])
    greatest = 0.0
    for batch, (height, width) in enumerate(_PROBES, 1):
        images = _probe(height, width, uint8, batch)
        with torch.inference_mode():
            density, count, *points = network(images)
        exported, exported_count, *exported_points = map(torch.from_numpy, session.run(None, {INPUT: images.numpy()}))
        if exported.shape != density.shape or [p.shape for p in exported_points] != [p.shape for p in points]:
            return float("inf")
        people = density.abs().sum(dim=(1, 2, 3)).clamp_min(1e-6)
        apart = torch.maximum((exported - density).abs().amax(dim=(1, 2, 3)), (exported_count - count).abs())
        greatest = float(torch.maximum((apart / people).max(), torch.tensor(greatest)))  # NaN stays NaN
        for ours, theirs in zip(exported_points, points, strict=True):
            far = (ours - theirs).abs().max() / max(images.shape[-2:])
            greatest = float(torch.maximum(far, torch.tensor(greatest)))
    return greatest
