"""Small ONNX graphs of other people's making."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Sides = Sequence[int | str | None]


def cells(
    path: Path,
    *,
    stride: int = 8,
    sides: Sides = ("n", 3, "h", "w"),
    dtype: int = TensorProto.FLOAT,
    scale: float = 1.0,
    outputs: Sequence[str] = ("density",),
    change: Callable[[onnx.ModelProto], object] = lambda model: None,
) -> Path:
    """A graph whose density is the mean of each cell's first channel, times a scale."""
    channels_last = sides[1] not in (1, 3)
    nodes = [helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT)]
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["floats"], ["first"], perm=[0, 3, 1, 2]))
    before = "first" if channels_last else "floats"
    nodes += [
        helper.make_node("Slice", [before, "zero", "one", "axis"], ["red"]),
        helper.make_node("AveragePool", ["red"], ["means"], kernel_shape=[stride] * 2, strides=[stride] * 2),
        *(helper.make_node("Mul", ["means", "scale"], [name]) for name in outputs),
    ]
    constants = {"zero": np.array([0]), "one": np.array([1]), "axis": np.array([1]), "scale": np.float32(scale)}
    return _saved(path, nodes, constants, sides, dtype, dict.fromkeys(outputs, 4), change)


def points(path: Path, where: Sequence[Sequence[float]], *, columns: int = 2, logits: bool = False) -> Path:
    """A graph that finds the same points in every picture; scores of .9 and, for every other one, .1."""
    scores = np.resize([0.9, 0.1], len(where)).astype(np.float32)
    held = np.array([[*point, score][:columns] for point, score in zip(where, scores, strict=True)], np.float32)[None]
    of_class = np.stack([np.zeros_like(scores), np.where(scores > 0.5, 2.0, -2.0).astype(np.float32)], axis=1)[None]
    constants = {"held": held, "zero": np.float32(0), "scored": of_class if logits else scores[None]}
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["held", "nothing"], ["pred_points"]),
        helper.make_node("Add", ["scored", "nothing"], ["pred_logits"]),
    ]
    outputs = {"pred_points": 3} | ({"pred_logits": 3 if logits else 2} if columns == 2 else {})
    return _saved(path, nodes, constants, ("n", 3, "h", "w"), TensorProto.FLOAT, outputs, lambda model: None)


def _saved(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, object],
    sides: Sides,
    dtype: int,
    outputs: dict[str, int],
    change: Callable[[onnx.ModelProto], object],
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "somebodys",
        [helper.make_tensor_value_info("images", dtype, list(sides))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path
