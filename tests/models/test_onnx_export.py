"""Counters as ONNX files: what onnxruntime counts is what they count."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
import onnx
import onnxruntime

from countguard.errors import InputError, RunError
from countguard.models import build_counter, load_counter, onnx_export
from countguard.models.counter import Counter
from countguard.models.onnx_counter import OnnxCounter
from countguard.models.onnx_export import export_onnx
from models.onnx_makers import cells

LIGHT: dict[str, Any] = {"width": 0.125, "mean": (0.5,) * 3, "std": (0.25,) * 3}
KINDS: dict[str, tuple[dict[str, Any], bool]] = {"lite": ({}, False), "mcnn": ({}, True), "p2pnet": (LIGHT, False)}
"""Settings of each counter, and whether its input is bytes."""
SHARED = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[3] / "shared")) / "weights"
SIZES = ((1, 48, 64), (3, 37, 90))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Counter, Path]]:
    """One counter of each kind, and its file; MCNN with trained weights, where they are here."""
    folder = tmp_path_factory.mktemp("onnx")
    files = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for kind, (settings, uint8) in KINDS.items():
            weights = SHARED / "mcnn_part_b.safetensors" if kind == "mcnn" else None
            trained = weights if weights is not None and weights.exists() else None
            counter = build_counter(kind, weights=trained, **settings).train()
            if kind == "p2pnet":
                nn.init.normal_(counter.classification.output.weight, std=0.3)  # type: ignore[union-attr, arg-type]
            files[kind] = (counter, folder / f"{kind}.onnx")
            export_onnx(counter, files[kind][1], uint8=uint8)
            assert counter.training
    return files


def images(batch: int, height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_the_runtime_alone_counts_any_size_and_batch(
    kind: str, size: tuple[int, int, int], exported: dict[str, tuple[Counter, Path]]
) -> None:
    counter, path = exported[kind]
    pictures = images(*size)
    given = pictures if KINDS[kind][1] else pictures.float() / 255
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    density, count = session.run(["density", "count"], {"images": given.numpy()})
    expected = counter.people_per_cell(pictures.float() / 255)
    assert density.shape == tuple(expected.shape)
    assert torch.allclose(torch.from_numpy(density), expected, rtol=1e-3, atol=1e-4 * expected.max().item())
    assert torch.allclose(torch.from_numpy(count), expected.sum(dim=(1, 2, 3)), rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_a_counter_without_a_further_word(kind: str, exported: dict[str, tuple[Counter, Path]]) -> None:
    counter, path = exported[kind]
    loaded = load_counter(path)
    assert isinstance(loaded, OnnxCounter)
    assert (loaded.stride, loaded.margin, loaded.tile) == (counter.stride, counter.margin, counter.tile)
    pictures = images(2, 50, 70).float() / 255
    assert torch.allclose(loaded.count(pictures), counter.count(pictures), rtol=1e-3)


def test_an_exported_counter_of_points_says_where_heads_are(exported: dict[str, tuple[Counter, Path]]) -> None:
    counter, path = exported["p2pnet"]
    loaded, pictures = load_counter(path), images(2, 50, 70).float() / 255
    expected, found = counter.heads(pictures), loaded.heads(pictures)
    assert expected is not None
    assert found is not None
    last = torch.tensor([70, 50])
    for ours, theirs in zip(found, expected, strict=True):
        assert len(theirs) > 0
        assert torch.allclose(ours.clamp_min(0).minimum(last), theirs, atol=1e-2)
    assert load_counter(exported["lite"][1]).heads(pictures) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_is_plain_and_tells_nothing_of_this_machine(
    kind: str, exported: dict[str, tuple[Counter, Path]]
) -> None:
    counter, path = exported[kind]
    model = onnx.load(path)
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    content = path.read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content
    (entry,) = (prop for prop in model.metadata_props if prop.key == "countguard")
    assert json.loads(entry.value)["settings"] == json.loads(json.dumps(counter.settings()))


@pytest.mark.parametrize("kind", KINDS)
def test_real_pictures_are_counted_alike(
    kind: str, exported: dict[str, tuple[Counter, Path]], part_b: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    counter, path = exported[kind]
    loaded = load_counter(path)
    for number in (1, 2):
        image = part_b(number)[0][..., -200:, :264]
        people = counter.count(image).item()
        assert people > 0
        assert loaded.count(image).item() == pytest.approx(people, rel=1e-3)


def test_a_trained_csrnet_counts_a_real_picture_alike(
    tmp_path: Path, part_b: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    weights = SHARED / "csrnet_part_a_fp16.safetensors"
    if not weights.exists():
        pytest.skip(f"the trained CSRNet is not at {weights}")
    counter = build_counter("csrnet", weights=weights)
    export_onnx(counter, tmp_path / "csrnet.onnx")
    image = part_b(1)[0][..., -120:, :136]
    people = counter.count(image).item()
    assert people > 0.1
    assert load_counter(tmp_path / "csrnet.onnx").count(image).item() == pytest.approx(people, rel=1e-3)


def test_what_counts_otherwise_once_exported_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = onnx.load(cells(tmp_path / "other.onnx", outputs=("density", "count")))
    monkeypatch.setattr(onnx_export, "_traced", lambda network, uint8: other)
    with pytest.raises(RunError, match="counts differ by"):
        export_onnx(build_counter("lite"), tmp_path / "lite.onnx")
    assert not (tmp_path / "lite.onnx").exists()


def test_what_cannot_be_exported_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise ValueError("no such operator\nand much more")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(RunError, match=r"cannot be exported \(ValueError: no such operator\)"):
        export_onnx(build_counter("lite"), tmp_path / "lite.onnx")
    with pytest.raises(InputError, match=r"name ends in \.onnx"):
        export_onnx(build_counter("lite"), tmp_path / "lite.safetensors")
    with pytest.raises(InputError, match="there is no folder"):
        export_onnx(build_counter("lite"), tmp_path / "nowhere" / "lite.onnx")
    assert list(tmp_path.iterdir()) == []
