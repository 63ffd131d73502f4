"""ONNX files from strangers: what is checked of a graph before anything runs it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countguard.errors import InputError
from countguard.models.checkpoint import KEY
from countguard.models.file_kinds import LONGEST as LONGEST_START
from countguard.models.file_kinds import kind_of_file
from countguard.models.onnx_package import onnx_package
from countguard.reading import read_file
from countguard.writing import require_place

LARGEST = 1 << 30
"""Bytes of an ONNX file."""
MOST_NODES = 200_000
DOMAINS = ("", "ai.onnx")
"""Whose operators are run: ONNX's own."""
LONGEST_METADATA = 1 << 16


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        name: in the graph.
        shape: its sides; None for one that may be any.
        dtype: as ONNX writes it: float32, uint8, ...
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A graph that may be run.

    Attributes:
        path: where it lies.
        content: the whole file.
        input: its one input.
        outputs: what it gives.
        facts: what `countguard.models.onnx_export` noted in it; empty for a file of somebody else's.
    """

    path: Path
    content: bytes
    input: Port
    outputs: tuple[Port, ...]
    facts: Mapping[str, Any]

    @property
    def exported(self) -> bool:
        """Whether countguard wrote it: then its input is RGB in 0..1, or bytes, and normalisation lies inside."""
        return self.facts.get("version") == 1 and "kind" in self.facts


def require_onnx_place(path: Path, option: str, inputs: Iterable[Path] = ()) -> None:
    """Makes sure, before the work whose result it is to hold, that an ONNX file can be written under a name.

    Raises:
        InputError: see `require_place`; or what is there is no ONNX file.
    """
    require_place(path, option, inputs=inputs)
    if not path.exists():
        return
    try:
        open_onnx(path)
    except InputError:
        raise InputError(f"{path}: is there and is no counter; {option} should name another file") from None


def open_onnx(path: Path) -> OnnxFile:
    """A graph, checked: of ONNX's own operators, whole in this one file, with one input.

    Raises:
        InputError: the file is missing, too large, damaged, or asks for something else.
    """
    content = read_file(path, LARGEST)
    onnx = onnx_package()
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf raises many kinds
        kind = kind_of_file(content[:LONGEST_START])
        raise InputError(f"{path} {kind}" if kind else f"{path}: is no ONNX file, or a damaged one") from None
    if len(model.functions):
        model, content = _without_functions(path, model)
    _check_graph(path, model)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [_port(onnx, value) for value in model.graph.input if value.name not in held]
    if len(inputs) != 1:
        raise InputError(f"{path}: has {len(inputs)} inputs; a counter has one, the picture")
    outputs = tuple(_port(onnx, value) for value in model.graph.output)
    if not outputs:
        raise InputError(f"{path}: gives nothing")
    return OnnxFile(path, content, inputs[0], outputs, _facts(model))


def _check_graph(path: Path, model: Any) -> None:
    nodes = 0
    for graph in _graphs(model.graph):
        nodes += len(graph.node)
        if nodes > MOST_NODES:
            raise InputError(f"{path}: has more than {MOST_NODES:,} nodes")
        for node in graph.node:
            if node.domain not in DOMAINS:
                raise InputError(
                    f"{path}: uses {node.op_type[:80]!r} of {node.domain[:80]!r}; no custom operators are run"
                )
        for tensor in _tensors(graph):
            if tensor.external_data:
                raise InputError(f"{path}: keeps weights in other files; save it as one: onnx.save(onnx.load(F), G)")


def _without_functions(path: Path, model: Any) -> tuple[Any, bytes]:
    """The model with its own functions, as some exporters write them, put in where they are called."""
    from onnx.inliner import inline_local_functions

    try:
        model = inline_local_functions(model)
        return model, model.SerializeToString()
    except Exception as error:  # what a hostile file provokes
        said = (str(error).splitlines() or [""])[0][:120]
        raise InputError(f"{path}: its functions cannot be put in place ({said})") from None


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and those inside its nodes, such as the branches of an If."""
    waiting = [graph]
    while waiting:
        here = waiting.pop()
        yield here
        for node in here.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _port(onnx: Any, value: Any) -> Port:
    tensor = value.type.tensor_type
    sides = tensor.shape.dim if tensor.HasField("shape") else ()
    shape = tuple(side.dim_value if side.dim_value > 0 else None for side in sides)  # exporters write any as 0 or -1
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except (KeyError, ValueError):
        dtype = "nothing"
    return Port(value.name, shape, dtype)


def _facts(model: Any) -> Mapping[str, Any]:
    for entry in model.metadata_props:
        if entry.key == KEY and len(entry.value) <= LONGEST_METADATA:
            try:
                facts = json.loads(entry.value)
            except (ValueError, RecursionError):
                return {}
            return facts if isinstance(facts, dict) else {}
    return {}
