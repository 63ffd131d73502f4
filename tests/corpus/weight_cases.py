"""Weights that run code, lie about what they hold, or ask for more than they are."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from corpus.case import Case, picture
from countguard.models import build_counter, load_counter
from countguard.models.checkpoint import KEY
from countguard.models.convert import convert

Make = Callable[[Path], Path]
NAME = "counter.safetensors"


class Code:
    """What, unpickled, creates a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.file), "w")


def _ran(path: Path) -> Path:
    """The file that a pickle at `path` creates if its code runs."""
    return path.with_name("ran")


def _load(path: Path) -> object:
    return _harmless(path, lambda: load_counter(path))


def _start(path: Path) -> object:
    return _harmless(path, lambda: build_counter("lite", weights=path))


def _convert(path: Path) -> object:
    out = path.with_name("out.safetensors")
    try:
        return _harmless(path, lambda: convert(path, "lite", out))
    finally:
        assert not out.exists(), "something was written"


def _harmless(path: Path, read: Callable[[], object]) -> object:
    try:
        return read()
    finally:
        assert not _ran(path).exists(), "the file's code ran"


def _bytes(name: str, content: Callable[[Path], bytes]) -> Make:
    def make(root: Path) -> Path:
        (root / name).write_bytes(content(root / name))
        return root / name

    return make


def _zipped(path: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": Code(_ran(path))}, buffer)
    return buffer.getvalue()


def _pickled(path: Path) -> bytes:
    return pickle.dumps({"state_dict": Code(_ran(path))})


def _pickled_long_ago(path: Path) -> bytes:
    """As old versions of torch wrote it: pickles one after the other, without a zip archive around them."""
    buffer = io.BytesIO()
    torch.save({"state_dict": Code(_ran(path))}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _as_text(path: Path) -> bytes:
    """Protocol 0 starts with no byte that gives it away."""
    return pickle.dumps({"state_dict": Code(_ran(path))}, protocol=0)


def _zip_bomb(path: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data.pkl", "w") as member:
            for _ in range(256):
                member.write(bytes(1 << 20))
        archive.writestr("archive/version", "3")
    return buffer.getvalue()


def _unfolding(path: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"head.bias": torch.zeros(1).expand(1 << 40)}, buffer)
    return buffer.getvalue()


def _counter(change: Callable[[dict[str, Tensor]], object] = len, header: dict[str, object] | None = None) -> bytes:
    """A light counter's checkpoint with some tensors or a part of its header changed."""
    tensors = {name: torch.zeros_like(tensor) for name, tensor in build_counter("lite").state_dict().items()}
    change(tensors)
    said = {"version": 1, "kind": "lite", "settings": {}} | (header or {})
    return save(tensors, metadata={KEY: json.dumps(said)})


def _changed(change: Callable[[dict[str, Tensor]], object]) -> Make:
    return _bytes(NAME, lambda path: _counter(change))


def _said(**header: object) -> Make:
    return _bytes(NAME, lambda path: _counter(header=header))


def _many_sides() -> bytes:
    """A checkpoint one of whose tensors has a hundred thousand sides of 1."""
    whole = _counter()
    (size,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + size])
    header["head.bias"]["shape"] = [1] * 100_000
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + whole[8 + size :]


def _metadata(text: str) -> Make:
    return _bytes(NAME, lambda path: save({"a": torch.zeros(1)}, metadata={KEY: text}))


def _header(header: bytes, *, size: int | None = None, data: bytes = bytes(8)) -> Make:
    """A safetensors file with this header; `size` is what it says of the header's length."""
    return _bytes(NAME, lambda path: struct.pack("<Q", len(header) if size is None else size) + header + data)


def _tensors(*entries: tuple[str, dict[str, Any]], data: bytes = bytes(8)) -> Make:
    """A safetensors file whose header has these entries, names that stand twice among them."""
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries)
    return _header(f"{{{text}}}".encode(), data=data)


def _entry(start: int, end: int, shape: tuple[int, ...] = (1,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def _folder(root: Path) -> Path:
    (root / NAME).mkdir()
    return root / NAME


def _photograph(root: Path) -> Path:
    photograph: Path = picture(root / "crowd.jpg")
    return photograph.rename(root / NAME)


def _not_a_number(tensors: dict[str, Tensor]) -> None:
    tensors["features.0.weight"].fill_(torch.nan)


_WHOLE = "not a whole safetensors file"

_CASES: dict[str, tuple[Make, Callable[[Path], object], str]] = {
    "pickle_zipped": (_bytes("evil.pth", _zipped), _load, "countguard convert"),
    "pickle_plain": (_bytes("evil.pt", _pickled), _load, "is a pickle"),
    "pickle_long_ago": (_bytes("evil.pth", _pickled_long_ago), _load, "is a pickle"),
    "pickle_renamed": (_bytes(NAME, _zipped), _load, "is a pickle"),
    "pickle_as_text": (_bytes("evil.pth", _as_text), _load, "is a text file"),
    "pickle_to_start_from": (_bytes("evil.pth", _zipped), _start, "is a pickle"),
    "pickle_converted": (_bytes("evil.pth", _zipped), _convert, "objects other than tensors"),
    "pickle_converted_plain": (_bytes("evil.pt", _pickled), _convert, "not as torch.save writes it"),
    "pickle_converted_as_text": (_bytes("evil.pth", _as_text), _convert, "is a text file"),
    "pickle_unfolding": (_bytes("evil.pth", _unfolding), _convert, "more memory than its size allows"),
    "pickle_bomb": (_bytes("evil.pth", _zip_bomb), _convert, "not as torch.save writes it"),
    "empty": (_bytes(NAME, lambda path: b""), _load, "is empty"),
    "seven_bytes": (_bytes(NAME, lambda path: bytes(7)), _load, _WHOLE),
    "missing": (lambda root: root / NAME, _load, "there is no such file"),
    "missing_to_start_from": (lambda root: root / NAME, _start, "there is no such file"),
    "folder": (_folder, _load, "there is no such file"),
    "photograph": (_photograph, _load, "is a document or a picture"),
    "photograph_converted": (_photograph, _convert, "is a document or a picture"),
    "cut_in_the_header": (_bytes(NAME, lambda path: _counter()[:100]), _load, _WHOLE),
    "cut_in_the_weights": (_bytes(NAME, lambda path: _counter()[:-1000]), _load, _WHOLE),
    "with_a_tail": (_bytes(NAME, lambda path: _counter() + bytes(100)), _load, _WHOLE),
    "header_of_exabytes": (_header(b"{}", size=1 << 60), _load, "its header asks for more than the 18 bytes"),
    "header_without_end": (_header(b"{}", size=2**64 - 1), _load, _WHOLE),
    "header_large": (_header(b" " * (2 << 20)), _load, "at most 1048576 are read"),
    "header_no_json": (_header(b"{not json"), _load, _WHOLE),
    "header_no_text": (_header(b"\xff\xfe\x00"), _load, _WHOLE),
    "header_list": (_header(b"[]"), _load, _WHOLE),
    "header_nested_deep": (_header(b'{"a":' * 100_000), _load, _WHOLE),
    "tensors_overlap": (_tensors(("a", _entry(0, 4)), ("b", _entry(2, 6))), _load, _WHOLE),
    "tensor_twice": (_tensors(("a", _entry(0, 4)), ("a", _entry(4, 8))), _load, _WHOLE),
    "tensor_backwards": (_tensors(("a", _entry(8, 4))), _load, _WHOLE),
    "tensor_outside": (_tensors(("a", _entry(0, 1 << 50, (1 << 48,)))), _load, _WHOLE),
    "shape_past_64_bits": (_tensors(("a", _entry(0, 8, (1 << 40, 1 << 40)))), _load, _WHOLE),
    "shape_negative": (_tensors(("a", _entry(0, 8, (-2,)))), _load, _WHOLE),
    "shape_of_nothing": (
        _tensors(("head.bias", _entry(0, 0, (0, 1 << 62))), data=b""),
        _load,
        "not a countguard checkpoint",
    ),
    "dtype_unknown": (_tensors(("a", _entry(0, 8, (2,), "F31"))), _load, _WHOLE),
    "of_somebody_else": (_bytes(NAME, lambda path: save({"a": torch.zeros(1)})), _load, "countguard convert"),
    "of_somebody_else_converted": (
        _bytes(NAME, lambda path: save({"a": torch.zeros(1)})),
        _convert,
        "no layout known to hold a lite",
    ),
    "metadata_no_json": (_metadata("{kind: lite}"), _load, f"metadata '{KEY}'"),
    "metadata_list": (_metadata("[]"), _load, f"metadata '{KEY}'"),
    "metadata_empty": (_metadata("{}"), _load, "kind: Field required"),
    "metadata_nested_deep": (_metadata("[" * 100_000), _load, f"metadata '{KEY}'"),
    "version_newer": (_said(version=2), _load, "version: Input should be 1"),
    "kind_unknown": (_said(kind="resnet"), _load, "kind 'resnet' is unknown; there are"),
    "kind_of_another": (_said(kind="mcnn"), _load, "which the counter does not have"),
    "kind_not_asked_for": (
        _said(kind="mcnn"),
        _start,
        "holds a counter of kind 'mcnn', model.kind is 'lite'",
    ),
    "kind_of_two_lines": (_said(kind="li\nte\x1b[2J"), _load, "is unknown; there are"),
    "key_unknown": (_said(exec="rm -rf"), _load, "exec: Extra inputs"),
    "setting_unknown": (_said(settings={"width": 64}), _load, "width"),
    "setting_self": (_said(settings={"self": 1}), _load, "self"),
    "setting_with_a_long_name": (_said(settings={"a" * 500_000: 1}), _load, "aaa"),
    "setting_of_wrong_type": (_said(settings={"mean": "gray"}), _load, "mean"),
    "setting_of_many_numbers": (_said(settings={"mean": [0.5] * 100_000}), _load, "mean"),
    "setting_zero": (_said(settings={"std": [1, 1, 0]}), _load, "std.2"),
    "setting_not_finite": (_said(settings={"output_scale": float("nan")}), _load, "output_scale"),
    "setting_kernel_unknown": (_said(settings={"kernel": {"kind": "cauchy"}}), _load, "kernel"),
    "setting_kernel_huge": (_said(settings={"kernel": {"kind": "fixed", "sigma": 1e9}}), _load, "sigma"),
    "setting_neighbors_huge": (
        _said(settings={"kernel": {"kind": "adaptive", "neighbors": 10**9}}),
        _load,
        "neighbors",
    ),
    "bins_huge": (_said(kind="csrnet_ebc", settings={"bins": {"truncation": 10**9}}), _load, "bins.truncation"),
    "bins_many": (
        _said(kind="csrnet_ebc", settings={"bins": {"values": [0.5] * 100_000}}),
        _load,
        "values: truncation 4 needs 5",
    ),
    "prompts_huge": (_said(kind="clip_ebc_vit", settings={"prompts": 10**9}), _load, "prompts"),
    "tensor_missing": (_changed(lambda tensors: tensors.pop("head.bias")), _load, "'head.bias' is missing"),
    "tensor_extra": (
        _changed(lambda tensors: tensors.update({"tail.bias": torch.zeros(1)})),
        _load,
        "holds 'tail.bias', which the counter does not have",
    ),
    "tensor_with_a_long_name": (
        _changed(lambda tensors: tensors.update({"a" * 500_000: torch.zeros(1)})),
        _load,
        "which the counter does not have",
    ),
    "tensor_with_terminal_codes": (
        _changed(lambda tensors: tensors.update({"\x1b[2Ja\nb": torch.zeros(1)})),
        _load,
        "which the counter does not have",
    ),
    "shape_wrong": (
        _changed(lambda tensors: tensors.update({"head.bias": torch.zeros(2)})),
        _load,
        "head.bias has shape [2], the counter needs [1]",
    ),
    "shape_of_many_sides": (_bytes(NAME, lambda path: _many_sides()), _load, "head.bias has shape [1, 1, 1"),
    "whole_numbers": (
        _changed(lambda tensors: tensors.update({"head.bias": torch.zeros(1, dtype=torch.int64)})),
        _load,
        "head.bias is I64, the counter needs torch.float32",
    ),
    "not_a_number": (_changed(_not_a_number), _load, "features.0.weight holds values that are no finite numbers"),
    "infinite_to_start_from": (
        _changed(lambda tensors: tensors["head.bias"].fill_(torch.inf)),
        _start,
        "head.bias holds values that are no finite numbers",
    ),
}

WEIGHT_CASES = [Case(f"weights_{name}", make, read, says) for name, (make, read, says) in _CASES.items()]
