"""Anybody's ONNX file as a counter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("onnxruntime")
import onnx
from onnx import TensorProto, helper

from countguard.data.crowd import Crowd
from countguard.errors import InputError, RunError
from countguard.models import build_counter, convert, load_counter, onnx_counter, save_counter
from countguard.models.onnx_counter import OnnxCounter, OnnxSettings, write_settings
from models.onnx_makers import cells, points

UNIT = OnnxSettings(mean=(0.0,) * 3, std=(1.0,) * 3)


def loaded(path: Path, settings: OnnxSettings | None = UNIT) -> OnnxCounter:
    if settings is not None:
        write_settings(path, settings)
    counter = load_counter(path)
    assert isinstance(counter, OnnxCounter)
    return counter


def ramp(height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.linspace(0, 1, 3 * height * width).view(1, 3, height, width)


@pytest.mark.parametrize("stride", [1, 4, 8])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 100)])
def test_a_density_map_counts_at_its_own_stride(stride: int, height: int, width: int, tmp_path: Path) -> None:
    counter = loaded(cells(tmp_path / "a.onnx", stride=stride))
    assert counter.stride == stride
    image = ramp(height, width)
    density = counter.people_per_cell(image)
    assert density.shape == (1, 1, -(-height // stride), -(-width // stride))
    assert density[0, 0, 0, 0].item() == pytest.approx(image[0, 0, :stride, :stride].mean().item(), abs=1e-6)
    assert counter.heads(image) is None


def test_input_and_output_are_scaled_as_was_said(tmp_path: Path) -> None:
    image = ramp()
    settings = OnnxSettings(mean=(0.5,) * 3, std=(0.25,) * 3, output_scale=2.0)
    counter = loaded(cells(tmp_path / "a.onnx"), settings)
    assert counter.people_per_cell(image)[0, 0, 0, 0].item() == pytest.approx(
        2 * (image[0, 0, :8, :8].mean().item() - 0.5) / 0.25, abs=1e-5
    )
    turned = loaded(cells(tmp_path / "b.onnx"), OnnxSettings(mean=(0.0,) * 3, std=(1.0,) * 3, channels="bgr"))
    assert turned.count(image).item() == pytest.approx(image[0, 2].sum().item() / 64, rel=1e-5)


def test_bytes_need_no_word(tmp_path: Path) -> None:
    counter = loaded(cells(tmp_path / "a.onnx", dtype=TensorProto.UINT8, sides=("n", "h", "w", 3), scale=1 / 255), None)
    image = torch.randint(0, 256, (2, 3, 40, 48), dtype=torch.uint8)
    assert torch.allclose(counter.count(image), image[:, 0].float().mean(dim=(1, 2)) / 255 * 30, atol=1e-4)


def test_a_gray_graph_gets_the_luminance(tmp_path: Path) -> None:
    counter = loaded(cells(tmp_path / "a.onnx", sides=(1, 1, "h", "w")))
    image = torch.zeros(2, 3, 32, 32)
    image[:, 1] = 1.0
    assert torch.allclose(counter.people_per_cell(image), torch.full((2, 1, 4, 4), 0.587))


@pytest.mark.parametrize(("height", "width"), [(32, 48), (64, 96), (50, 130)])
def test_a_graph_of_one_size_sees_each_picture_at_that_size(height: int, width: int, tmp_path: Path) -> None:
    counter = loaded(cells(tmp_path / "a.onnx", sides=(1, 3, 32, 48)))
    image = torch.full((2, 3, height, width), 0.5)
    assert torch.allclose(counter.count(image), torch.full((2,), 0.5 * 4 * 6), atol=1e-5)
    assert counter.people_per_cell(image).shape == (2, 1, -(-height // 8), -(-width // 8))


def test_large_pictures_are_counted_in_tiles(tmp_path: Path) -> None:
    counter = loaded(cells(tmp_path / "a.onnx"))
    counter.margin, counter.tile = 16, 96
    image = ramp(130, 250)
    whole = image[0, 0].sum().item() / 64
    assert counter.count(image).item() == pytest.approx(whole, rel=0.02)  # padded to whole cells
    assert counter.people_per_cell(image).shape == (1, 1, 17, 32)


WHERE = [[10.0, 20.0], [11.0, 20.0], [30.0, 5.0], [60.0, 60.0], [90.0, 40.0]]


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("logits", [False, True])
def test_points_are_counted_by_their_scores(columns: int, logits: bool, tmp_path: Path) -> None:
    counter = loaded(points(tmp_path / "a.onnx", WHERE, columns=columns, logits=logits))
    image = ramp()
    assert counter.count(image).item() == 3
    heads = counter.heads(image)
    assert heads is not None
    assert heads[0].tolist() == [WHERE[0], WHERE[2], WHERE[4]]
    assert counter.people_per_cell(image)[0, 0, 2, 1].item() == 1


def test_points_without_scores_are_all_heads(tmp_path: Path) -> None:
    settings = OnnxSettings(mean=(0.0,) * 3, std=(1.0,) * 3, points=("pred_points",))
    assert loaded(points(tmp_path / "a.onnx", WHERE), settings).count(ramp()).item() == 5


def test_what_is_not_said_is_asked_for_and_kept_beside(tmp_path: Path) -> None:
    path = cells(tmp_path / "a.onnx")
    with pytest.raises(InputError) as caught:
        load_counter(path)
    assert "does not say how its input, float32, is scaled" in str(caught.value)
    assert f"countguard convert {path} --from imagenet|unit|pixels|half --out {path}" in str(caught.value)
    said: list[str] = []
    convert.convert(path, None, path, convention="pixels", say=said.append)
    assert said == [f"{path}.json: kept what was said of a.onnx"]
    assert load_counter(path).count(ramp()).item() == pytest.approx(255 * ramp()[0, 0].sum().item() / 64, rel=1e-5)
    convert.convert(path, None, tmp_path / "copy.onnx", mean=(0.5,) * 3, std=(0.5,) * 3, threshold=0.4)
    assert json.loads((tmp_path / "copy.onnx.json").read_text())["threshold"] == 0.4
    assert load_counter(tmp_path / "copy.onnx").settings()["mean"] == [0.5] * 3
    for settings, words in (
        ({"convention": "nobody"}, "no code that trains it"),
        ({"convention": "unit", "colour": "bgr"}, "colour: Extra inputs"),
        ({"convention": "unit", "density": "x"}, "none is called 'x'"),
    ):
        with pytest.raises(InputError, match=words):
            convert.convert(path, None, tmp_path / "other.onnx", **settings)  # type: ignore[arg-type]
    assert not (tmp_path / "other.onnx").exists()
    with pytest.raises(InputError, match=r"should name an \.onnx file"):
        convert.convert(path, None, tmp_path / "x.safetensors", convention="unit")
    with pytest.raises(InputError, match="leave out --model csrnet"):
        convert.convert(path, "csrnet", path, convention="unit")


def test_counts_tell_how_an_input_is_scaled(tmp_path: Path) -> None:
    image = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    crowds = [Crowd(image, torch.rand(64, 2) * 64, "a")]
    said: list[str] = []
    path = cells(tmp_path / "a.onnx", scale=1 / 255)  # 64 people where its input is 255
    convert.convert(path, None, path, check=crowds, say=said.append)
    assert "taken for pixels from 0 to 255" in said[0]
    assert load_counter(path).count(image[None]).item() == pytest.approx(64)


def test_an_onnx_file_is_neither_trained_nor_looked_into_nor_saved(tmp_path: Path) -> None:
    counter = loaded(cells(tmp_path / "a.onnx"))
    with pytest.raises(InputError, match="cannot be trained or repaired"):
        counter.loss(ramp(), [torch.zeros(0, 2)])
    with pytest.raises(InputError, match="no layers for Grad-CAM"):
        counter.explained_layer()
    with pytest.raises(InputError, match="cannot be built again"):
        save_counter(counter, tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="its weights cannot be taken out of it"):
        build_counter("csrnet", weights=tmp_path / "a.onnx")


def custom(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "com.somebody"


def elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"


def hidden_in_a_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Evil", [], ["x"], domain="evil")], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner))


def two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def no_outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def not_a_graph(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Nonsense"


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "custom": (lambda path: cells(path, change=custom), "no custom operators are run"),
    "elsewhere": (lambda path: cells(path, change=elsewhere), "keeps weights in other files"),
    "branch": (lambda path: cells(path, change=hidden_in_a_branch), "no custom operators are run"),
    "two_inputs": (lambda path: cells(path, change=two_inputs), "has 2 inputs"),
    "no_outputs": (lambda path: cells(path, change=no_outputs), "gives nothing"),
    "nonsense": (lambda path: cells(path, change=not_a_graph), "no graph that onnxruntime can run"),
    "channels": (lambda path: cells(path, sides=("n", 3, "h", 48)), "both sides of a picture are fixed, or none"),
    "batch": (lambda path: cells(path, sides=(4, 3, "h", "w")), "a batch of any size, or of 1"),
    "text": (lambda path: cells(path, dtype=TensorProto.INT64), "a picture is uint8 or float"),
    "two_maps": (lambda path: cells(path, outputs=("a", "b")), "several can be density maps"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_counter_does_not_need_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, words = HOSTILE[name]
    path = make(tmp_path / "a.onnx")
    with pytest.raises(InputError, match=words) as caught:
        loaded(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\xff" * 99)
    with pytest.raises(InputError, match="is no ONNX file"):
        load_counter(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="cannot be read"):
        load_counter(tmp_path / "b.onnx")


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "Invalid JSON"), ('{"std": [0, 1, 1]}', "std"), ('{"version": 2}', "version"), ("[]", "a.onnx.json")],
)
def test_damaged_settings_are_named(text: str, words: str, tmp_path: Path) -> None:
    path = cells(tmp_path / "a.onnx")
    (tmp_path / "a.onnx.json").write_text(text)
    with pytest.raises(InputError, match=words):
        load_counter(path)


@pytest.mark.parametrize(
    "facts", [{}, {"align": 0, "margin": 1, "tile": 99}, {"align": 1, "margin": 40, "tile": 128}, {"align": "x"}, []]
)
def test_limits_that_a_stranger_wrote_are_kept_in_bounds(facts: Any, tmp_path: Path) -> None:
    def note(model: onnx.ModelProto) -> None:
        entry = model.metadata_props.add()
        entry.key, entry.value = "countguard", json.dumps(facts)

    counter = loaded(cells(tmp_path / "a.onnx", change=note))
    assert (counter.align, counter.margin, counter.tile) == (32, 160, 1536)


def test_a_graph_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = loaded(cells(tmp_path / "a.onnx"))
    monkeypatch.setattr(onnx_counter, "SECONDS", 0.0)
    many = torch.rand(200, 3, 256, 256)
    with pytest.raises(RunError, match=r"took more than 0\.0 seconds"):
        counter.count(many)
