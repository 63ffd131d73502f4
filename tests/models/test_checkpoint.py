import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from countguard.data.kernels import Adaptive
from countguard.errors import InputError, RunError
from countguard.models import COUNTERS, build_counter, load_counter, save_counter, wrap
from countguard.models.checkpoint import KEY, recipe_hash_of
from countguard.models.weights_file import HEADER_LIMIT


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "lite.safetensors"
    save_counter(build_counter("lite"), path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_counter(path)
    line = str(caught.value)
    assert str(path) in line
    assert "\n" not in line
    return line


def rewritten(path: Path, source: Path, header: object) -> Path:
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(load_file(source), path, metadata={KEY: text})
    return path


@pytest.mark.parametrize("kind", ["lite", "mcnn"])
def test_a_counter_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    counter = build_counter(kind, mean=(0.1, 0.2, 0.3), output_scale=3.0, kernel={"kind": "adaptive", "beta": 0.4})
    counter.to(memory_format=torch.channels_last)
    path = tmp_path / "counter.safetensors"
    save_counter(counter, path, recipe_hash="abc")
    loaded = load_counter(path)
    images = torch.rand(2, 3, 33, 47)
    assert loaded.kind == kind
    assert loaded.kernel == Adaptive(beta=0.4)
    assert loaded.settings() == counter.settings()
    assert torch.equal(loaded.count(images), counter.count(images))
    assert recipe_hash_of(path) == "abc"
    assert [file.name for file in tmp_path.iterdir()] == ["counter.safetensors"]


def test_the_same_counter_gives_the_same_bytes(tmp_path: Path) -> None:
    counter = build_counter("lite")
    for name in ("a", "b"):
        save_counter(counter, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_random_weights_depend_on_torchs_generator_alone_and_loading_draws_nothing(saved: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = build_counter("lite")
        torch.manual_seed(5)
        second = build_counter("lite")
        load_counter(saved)
        after = torch.rand(1)
        torch.manual_seed(5)
        build_counter("lite")
        assert torch.equal(after, torch.rand(1))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_gives_its_settings_to_build_counter_and_given_ones_win(tmp_path: Path) -> None:
    path = tmp_path / "lite.safetensors"
    save_counter(build_counter("lite", mean=(0.1, 0.2, 0.3), output_scale=2.0), path)
    counter = build_counter("lite", weights=path, output_scale=5.0)
    assert counter.settings()["mean"] == [0.1, 0.2, 0.3]
    assert counter.output_scale == 5.0


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lite.safetensors"
    path.write_text("before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left"):
        save_counter(build_counter("lite"), path)
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_counter_that_no_file_can_build_again_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="register it"):
        save_counter(wrap(torch.nn.Conv2d(3, 1, 1), stride=1), tmp_path / "x.safetensors")


def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    flag = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {flag}",)

    path.write_bytes(pickle.dumps(Evil()))
    assert f"countguard convert {path} --model KIND --out FILE.safetensors" in refused(path)
    torch.save({"a": torch.zeros(1)}, path)
    assert "is a pickle" in refused(path)
    assert not flag.exists()


def test_files_that_are_not_there_or_nothing_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "nowhere.safetensors")
    assert "no such file" in refused(tmp_path)
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    refused(empty)


@settings(max_examples=25, deadline=None)
@given(keep=st.floats(0, 0.999))
def test_a_cut_off_file_is_refused(saved: Path, keep: float) -> None:
    data = saved.read_bytes()
    path = saved.with_name("cut.safetensors")
    path.write_bytes(data[: int(keep * len(data))])
    refused(path)


@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(saved: Path, data: bytes) -> None:
    path = saved.with_name("random.safetensors")
    path.write_bytes(data)
    refused(path)


def test_a_huge_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", HEADER_LIMIT + 1) + b"{")
        file.truncate(1 << 33)  # sparse: takes no disk
    assert f"at most {HEADER_LIMIT}" in refused(path)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("not json", "Invalid JSON"),
        ("[" * 5000, "JSON"),
        ({}, "kind"),
        ({"version": 2, "kind": "lite", "settings": {}}, "version"),
        ({"kind": "resnet", "settings": {}}, "resnet"),
        ({"kind": "lite", "settings": {"exec": "rm"}}, "exec"),
        ({"kind": "lite", "settings": {"mean": [0, 0]}}, "mean"),
        ({"kind": "lite", "settings": {"std": [1, 1, 0]}}, "std"),
        ({"kind": "lite", "settings": {"output_scale": float("inf")}}, "output_scale"),
        ({"kind": "lite", "settings": {"kernel": {"kind": "fixed", "sigma": -1}}}, "sigma"),
        ({"kind": "lite", "settings": {}, "more": 1}, "more"),
        ({"kind": "csrnet", "settings": {}}, "features"),
        ({"kind": "csrnet\n", "settings": {}}, "unknown"),
    ],
)
def test_a_header_that_lies_is_refused(header: object, expected: str, saved: Path, tmp_path: Path) -> None:
    assert expected in refused(rewritten(tmp_path / "lie.safetensors", saved, header))


def test_a_file_of_somebody_elses_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    assert "countguard convert" in refused(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda tensors: tensors.pop("head.bias"), "'head.bias' is missing"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "'extra', which the counter does not have"),
        (
            lambda tensors: tensors.update({"head.bias": torch.zeros(2)}),
            "head.bias has shape [2], the counter needs [1]",
        ),
        (lambda tensors: tensors.update({"head.bias": torch.zeros(1, dtype=torch.int64)}), "head.bias is I64"),
        (lambda tensors: tensors.update({"head.bias": torch.tensor([float("nan")])}), "no finite numbers"),
        (
            lambda tensors: tensors.update({"head.bias": torch.tensor([1e300], dtype=torch.float64)}),
            "no finite numbers",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change: object, expected: str, saved: Path, tmp_path: Path) -> None:
    tensors = load_file(saved)
    assert callable(change)
    change(tensors)
    path = tmp_path / "wrong.safetensors"
    save_file(tensors, path, metadata={KEY: json.dumps({"kind": "lite", "settings": {}})})
    assert expected in refused(path)


def test_half_precision_is_read(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in load_file(saved).items()
    }
    save_file(tensors, path, metadata={KEY: json.dumps({"kind": "lite", "settings": {}})})
    assert next(load_counter(path).parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        ("resnet", {}, "model.kind 'resnet' is unknown"),
        ("lite", {"weights": "imagenet"}, "model.weights 'imagenet' is unknown to lite"),
        ("lite", {"width": 3}, "model lite: width"),
        ("lite", {"weights": "nowhere.safetensors"}, "nowhere.safetensors"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(kind: str, arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        build_counter(kind, **arguments)  # type: ignore[arg-type]
    assert expected in str(caught.value)


def test_a_checkpoint_of_another_kind_is_refused(saved: Path) -> None:
    with pytest.raises(InputError, match="holds a counter of kind 'lite'"):
        build_counter("mcnn", weights=saved)


@pytest.mark.parametrize("kind", sorted(COUNTERS))
def test_settings_build_the_same_counter_again(kind: str) -> None:
    with torch.device("meta"):
        counter = build_counter(kind)
        again = build_counter(kind, **counter.settings())
    assert again.settings() == counter.settings()
    assert json.loads(json.dumps(counter.settings())) == counter.settings()
