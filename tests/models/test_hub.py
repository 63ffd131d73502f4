"""Counters from a hub, and to it, by a server on this machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from countguard.errors import InputError, RunError
from countguard.models import build_counter, convert, hub, load_counter, save_counter
from countguard.models.hub import Address, address_of, fetched, pinned
from countguard.models.onnx_counter import OnnxSettings
from countguard.models.push import push
from countguard.studies.recipe import ModelSettings
from models.hub_server import TOKEN, Hub, serving


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one counter in me/lite, and an empty cache."""
    from huggingface_hub import constants

    save_counter(build_counter("lite"), tmp_path / "lite.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.commit("me/lite", {"sub/lite.safetensors": (tmp_path / "lite.safetensors").read_bytes()})
        yield server


ADDRESS = "hf://me/lite/sub/lite.safetensors"


def test_a_counter_is_loaded_by_its_address_and_keeps_where_it_came_from(served: Hub, tmp_path: Path) -> None:
    counter = load_counter(ADDRESS)
    content = served.commits["me/lite"][0][1]["sub/lite.safetensors"]
    assert counter.origin is not None
    assert counter.origin.source == ADDRESS
    assert counter.origin.revision == served.commits["me/lite"][0][0]
    assert counter.origin.sha256 == hashlib.sha256(content).hexdigest()
    save_counter(counter, tmp_path / "again.safetensors")
    assert load_counter(tmp_path / "again.safetensors").origin == counter.origin
    assert load_counter(Path(ADDRESS)).origin == counter.origin  # `Path` loses a slash
    assert build_counter("lite", weights=ADDRESS).origin == counter.origin
    assert load_counter(tmp_path / "lite.safetensors").origin is None


def test_a_study_takes_one_commit_for_all_its_cells(served: Hub, tmp_path: Path) -> None:
    settings = ModelSettings(kind="lite", weights=ADDRESS)
    first = served.commits["me/lite"][0][0]
    address = settings.pinned(settings.build(0))
    assert address == f"hf://me/lite@{first}/sub/lite.safetensors"
    other = build_counter("lite")
    save_counter(other, tmp_path / "other.safetensors")
    second = served.commit("me/lite", {"sub/lite.safetensors": (tmp_path / "other.safetensors").read_bytes()})
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(load_counter(ADDRESS).count(image), other.count(image))
    kept = load_counter(address)
    assert kept.origin is not None
    assert (kept.origin.revision, second != first) == (first, True)
    assert not torch.equal(kept.count(image), other.count(image))
    local = ModelSettings(kind="lite", weights=str(tmp_path / "other.safetensors"))
    assert local.pinned(other) == local.weights
    assert pinned(Address("a/b", None, "c.onnx"), "1" * 40) == f"hf://a/b@{'1' * 40}/c.onnx"


def test_without_a_network_the_cache_serves(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    file, origin = fetched(ADDRESS)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetched(ADDRESS) == (file, origin)
    with pytest.raises(InputError, match=r"hf://me/lite/other\.onnx: cannot be downloaded"):
        fetched("hf://me/lite/other.onnx")


def test_weights_of_other_projects_are_converted_by_their_address(served: Hub, tmp_path: Path) -> None:
    from safetensors.torch import save

    named = {f"module.{name}": value for name, value in build_counter("csrnet_ebc").state_dict().items()}
    front = {name: value for name, value in named.items() if "frontend" in name}
    served.commit("me/vgg", {"vgg.safetensors": save(front)})
    started = build_counter("csrnet", weights="hf://me/vgg/vgg.safetensors#frontend")
    assert torch.equal(started.state_dict()["frontend.0.weight"], front["module.frontend.0.weight"])
    with pytest.raises(InputError, match="holds the front end of a csrnet alone"):
        convert.convert("hf://me/vgg/vgg.safetensors", "csrnet", tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://me/lite/nothing.safetensors", "there is no such file in it"),
        ("hf://me/lite@nowhere/sub/lite.safetensors", "there is no such revision"),
        ("hf://nobody/lite/lite.safetensors", "no such repository, or it is private"),
        ("hf://me/lite/weights.pth", "only .safetensors and .onnx files are fetched"),
        ("hf://me/lite", "should be hf://owner/repo/file"),
        ("hf://me/lite/../x.onnx", "should be hf://owner/repo/file"),
        ("hf://me/lite/a\nb.onnx", "should be hf://owner/repo/file"),
    ],
)
def test_what_cannot_be_had_is_named(address: str, words: str, served: Hub) -> None:
    with pytest.raises(InputError) as caught:
        load_counter(address)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_too_large_or_damaged_on_its_way_is_refused(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    served.says = {"ETag": f'"{"0" * 64}"'}
    with pytest.raises(InputError, match="is not what the hub says it is"):
        load_counter(ADDRESS)
    monkeypatch.setattr(hub, "LARGEST", 100)
    with pytest.raises(InputError, match="files up to 100 are fetched"):
        load_counter(ADDRESS)


def test_paths_are_no_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of(tmp_path / "x.safetensors") is None
    monkeypatch.chdir(tmp_path)
    Path("hf:/a/b").mkdir(parents=True)
    Path("hf:/a/b/c.onnx").touch()
    assert address_of("hf:/a/b/c.onnx") is None
    assert address_of("hf:/a/b/d.onnx") == Address("a/b", None, "d.onnx")


def test_a_counter_is_pushed_with_a_card_and_loaded_again(served: Hub, tmp_path: Path) -> None:
    facts = {
        "dataset": "synthetic",
        "images": 200,
        "strategy": "minus",
        "metrics": {"mae": {"value": 3.25, "low": 3.0, "high": 3.5}},
    }
    pushed = push(
        tmp_path / "lite.safetensors", "me/new", notes="trained on *embedded* crowds", private=True, facts=facts
    )
    revision, files = served.commits["me/new"][-1]
    assert set(files) == {"lite.safetensors", "README.md"}
    assert files["lite.safetensors"] == (tmp_path / "lite.safetensors").read_bytes()
    assert pushed.revision == revision
    assert "me/new" in served.private
    card = files["README.md"].decode()
    for words in ("library_name: countguard", r"\*embedded\*", "| mae | 3.250 | 3.000 to 3.500 |", "strategy minus"):
        assert words in card
    loaded = load_counter(pushed.address)
    assert loaded.origin is not None
    assert loaded.origin.sha256 == pushed.sha256
    save_counter(loaded, tmp_path / "again.safetensors")
    push(tmp_path / "again.safetensors", "me/new")
    assert f"Its weights came from `{pushed.address}`" in served.commits["me/new"][-1][1]["README.md"].decode()


def test_an_onnx_file_is_pushed_with_what_is_kept_beside_it(served: Hub, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from countguard.models.onnx_counter import write_settings
    from models.onnx_makers import cells

    path = cells(tmp_path / "edge.onnx")
    write_settings(path, OnnxSettings(mean=(0.5,) * 3, std=(0.5,) * 3))
    pushed = push(path, "me/edge")
    assert set(served.commits["me/edge"][-1][1]) == {"edge.onnx", "edge.onnx.json", "README.md"}
    loaded = load_counter(pushed.address)
    assert loaded.settings()["mean"] == [0.5] * 3


def test_what_the_hub_does_not_take_is_one_line(served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is pushed"):
        push(tmp_path / "weights.pth", "me/new")
    with pytest.raises(InputError, match="should be owner/name"):
        push(tmp_path / "lite.safetensors", "me/new/more")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(RunError, match="the hub does not take it") as caught:
        push(tmp_path / "lite.safetensors", "me/new")
    assert "\n" not in str(caught.value)
    assert "hf_wrong" not in str(caught.value)
    assert not served.commits.get("me/new")
