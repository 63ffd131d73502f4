import argparse
import collections
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from countguard.errors import InputError
from countguard.models import build_counter, convert, load_counter, unpickle
from countguard.models.hdf5_weights import read_hdf5
from countguard.models.unpickle import tensors_of


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """An MCNN's tensors under the names that its published weights have."""
    positions = {"0": "0", "3": "2", "6": "4", "8": "5"}
    named = {}
    for name, tensor in build_counter("mcnn").state_dict().items():
        parts = name.split(".")
        if parts[0] == "fuse":
            named[f"DME.fuse.0.conv.{parts[1]}"] = tensor
        else:
            named[f"DME.branch{int(parts[1]) + 1}.{positions[parts[2]]}.conv.{parts[3]}"] = tensor
    return named


def refused(path: Path, kind: str = "mcnn") -> str:
    with pytest.raises(InputError) as caught:
        convert.convert(path, kind, path.with_name("out.safetensors"))
    assert str(path) in str(caught.value)
    assert not path.with_name("out.safetensors").exists()
    return str(caught.value)


def test_a_safetensors_file_of_a_known_layout_is_converted(published: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(published, tmp_path / "mcnn.safetensors")
    out = tmp_path / "out.safetensors"
    counter = convert.convert(tmp_path / "mcnn.safetensors", "mcnn", out, output_scale=2.0)
    images = torch.rand(1, 3, 20, 30)
    again = load_counter(out)
    assert torch.equal(again.count(images), counter.count(images))
    assert again.settings()["mean"] == [0.0, 0.0, 0.0]
    assert again.output_scale == 2.0
    assert torch.equal(again.state_dict()["columns.2.8.bias"], published["DME.branch3.5.conv.bias"])


def test_a_pickle_is_converted_out_of_its_wrappers_by_another_process(
    published: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "mcnn.pth"
    wrapped = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in published.items()}}
    torch.save(wrapped, path)
    counter = convert.convert(path, "mcnn", tmp_path / "out.safetensors")
    assert torch.equal(counter.state_dict()["fuse.weight"], published["DME.fuse.0.conv.weight"])


def test_code_in_a_pickle_does_not_run(tmp_path: Path) -> None:
    flag = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {flag}",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"state_dict": Evil()}, protocol=2))
    assert "objects other than tensors (posix.system)" in refused(path)
    assert not flag.exists()


def test_modules_in_the_working_folder_are_not_imported(
    published: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(published, tmp_path / "mcnn.pth")
    for name in ("torch", "safetensors", "resource"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    convert.convert("mcnn.pth", "mcnn", "out.safetensors")
    assert load_counter("out.safetensors").kind == "mcnn"


def test_a_pickle_that_unfolds_into_more_memory_than_it_may_have_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, path)  # 4 bytes on disk, 4 TiB once copied
    assert path.stat().st_size < 10_000
    assert "more memory than its size allows" in refused(path)


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slow.pth"
    torch.save({"a": torch.zeros(1)}, path)
    monkeypatch.setattr(convert, "SECONDS", 0.01)
    assert "took more than" in refused(path)


def test_a_pickle_cut_off_is_refused_in_one_line(published: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    torch.save(published, path)
    path.write_bytes(path.read_bytes()[:5000])
    assert "cannot be converted" in refused(path)


@pytest.mark.parametrize("loaded", [[], {"state_dict": {}}, {"epoch": 3}, torch.zeros(1)])
def test_what_holds_no_tensors_by_name_is_refused(loaded: object) -> None:
    with pytest.raises(ValueError, match="it holds"):
        tensors_of(loaded)


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(1)}, path)
    assert "no layout known to hold a mcnn" in refused(path)
    with pytest.raises(InputError, match=r"model\.kind 'nothing' is unknown"):
        convert.convert(path, "nothing", tmp_path / "out.safetensors")


def test_what_stands_beside_the_tensors_is_kept_out(published: dict[str, Tensor], tmp_path: Path) -> None:
    class Unknown:
        def __init__(self) -> None:
            self.lr = 1e-4

    Unknown.__module__, Unknown.__qualname__ = "somebodys_trainer", "Unknown"
    sys.modules["somebodys_trainer"] = module = ModuleType("somebodys_trainer")
    module.Unknown = Unknown  # type: ignore[attr-defined]
    beside = {
        "best_mae": np.mean([60.0, 70.0]),
        "history": np.arange(3.0),
        "args": argparse.Namespace(lr=1e-4, out=Path("runs")),
        "state": Unknown(),
    }
    try:
        torch.save({"model": published, **beside}, tmp_path / "beside.pth")
        torch.save({"model": published, **beside}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    finally:
        del sys.modules["somebodys_trainer"]
    for name in ("beside.pth", "old.pth"):
        unpickle.main(tmp_path / name, tmp_path / "bare.safetensors", limits=False)
        assert set(load_file(tmp_path / "bare.safetensors")) == set(published)


def test_a_network_pickled_whole_gives_its_tensors(tmp_path: Path) -> None:
    torch.save({"net": build_counter("mcnn", mean=(0.5,) * 3)}, tmp_path / "whole.pth")
    tensors_path = tmp_path / "bare.safetensors"
    unpickle.main(tmp_path / "whole.pth", tensors_path, limits=False)
    expected = build_counter("mcnn").state_dict()
    held = load_file(tensors_path)
    assert {name: held[name].shape for name in expected} == {name: value.shape for name, value in expected.items()}


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen", "shutil.rmtree", "posix.system"])
def test_functions_of_python_have_no_stand_in(name: str, tmp_path: Path) -> None:
    module, _, function = name.partition(".")
    (tmp_path / "evil.pth").write_bytes(f"\x80\x02c{module}\n{function}\nX\x01\x00\x00\x00a\x85R.".encode("latin1"))
    with pytest.raises(SystemExit):
        unpickle.main(tmp_path / "evil.pth", tmp_path / "out", limits=False)


def test_a_module_that_holds_itself_many_times_is_read_once() -> None:
    module = unpickle.StandIn()
    module.state = {"_parameters": {"a": torch.zeros(1)}, "_modules": {}}
    for _ in range(60):
        around = unpickle.StandIn()
        around.state = {"_parameters": {}, "_modules": {"x": module, "y": module, "z": around}}
        module = around
    assert len(tensors_of(module)) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(unpickle.PREFIXES), max_size=5))
def test_prefixes_in_any_order_are_taken_off(prefixes: list[str]) -> None:
    named = {"".join(prefixes) + name: torch.zeros(1) for name in ("frontend.0.weight", "output_layer.bias")}
    assert set(tensors_of({"state_dict": named})) == {"frontend.0.weight", "output_layer.bias"}


@pytest.mark.parametrize("prefix", ["CCN.", "CCN.module.", "model.module.", "student.net."])
def test_a_network_inside_another_is_found(prefix: str, published: dict[str, Tensor], tmp_path: Path) -> None:
    said: list[str] = []
    tensors = {f"{prefix}{name}": tensor for name, tensor in published.items()} | {"gs.kernel": torch.zeros(1)}
    save_file(tensors, tmp_path / "inside.safetensors")
    counter = convert.convert(tmp_path / "inside.safetensors", "mcnn", tmp_path / "out.safetensors", say=said.append)
    assert torch.equal(counter.state_dict()["fuse.weight"], published["DME.fuse.0.conv.weight"])
    assert said == [f"{tmp_path / 'inside.safetensors'}: {prefix}* is read; 1 others are not, gs.kernel among them"]


def test_mcnns_hdf5_file_is_read(published: dict[str, Tensor], tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "mcnn_shtechA_660.h5"
    with h5py.File(path, "w") as file:
        for name, tensor in published.items():
            file.create_dataset(name, data=tensor.numpy().astype(">f4"))
    counter = convert.convert(path, "mcnn", tmp_path / "out.safetensors")
    assert torch.equal(counter.state_dict()["fuse.weight"], published["DME.fuse.0.conv.weight"])
    (tmp_path / "other").write_bytes(bytes(64))
    with h5py.File(path, "a") as file:
        del file["DME.fuse.0.conv.bias"]
        file.create_dataset("DME.fuse.0.conv.bias", shape=(1,), dtype="f4", external=[(tmp_path / "other", 0, 64)])
    with pytest.raises(ValueError, match="lies in another file"):
        read_hdf5(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head></html>", "is a web page"),
        (b"\n<html>" + bytes(90), "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 65057156\n", "is a Git LFS pointer"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(90), "is an archive"),
        (b"MATLAB 5.0 MAT-file" + bytes(90), "is a MATLAB file"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "is a web page"),
        (b"", "is empty"),
        (b'{"error": "file not found"}', 'is a text file (\'{"error": "file not found"}\')'),
        (b"weights.pth".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), "is an archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "is a document or a picture"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "is an HDF5 file, damaged or cut off"),
    ],
)
def test_what_is_no_file_of_weights_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    assert words in refused(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("net/constants.pkl", "it is TorchScript"),
        ("conv.weight.npy", "it is a NumPy archive"),
        ("weights.pth", "it is a zip archive; unpack the weights in it (weights.pth)"),
    ],
)
def test_zip_archives_that_torch_did_not_save_are_named(member: str, words: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as archive:
        archive.writestr(member, bytes(90))
    assert words in refused(tmp_path / "weights.pth")


@pytest.mark.parametrize("words", ["is a web page", "is a Git LFS pointer"])
def test_what_is_no_onnx_file_is_named(words: str, tmp_path: Path) -> None:
    path = tmp_path / "edge.onnx"
    path.write_bytes(b"<!DOCTYPE html><html>" if "page" in words else b"version https://git-lfs.github.com/spec/v1")
    assert words in refused(path)


@pytest.mark.parametrize("kind", [None, "csrnet", "dm_count"])
def test_a_part_of_a_vgg_19_is_told_what_it_lacks(kind: str | None, tmp_path: Path) -> None:
    path = tmp_path / "part.safetensors"
    names = ("features.0.weight", "features.16.weight", "features.21.weight", "reg_layer.0.weight")
    save_file({name: torch.zeros(1) for name in names}, path)
    with pytest.raises(InputError, match=r"DM-Count's VGG-19 \(dm_count\) it holds .*, and not density_layer.0.weight"):
        convert.convert(path, kind, tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    "around",
    [
        lambda weights: {"config": {"lr": 1.0}, "ema": weights},
        lambda weights: {"epoch": 3, "student": {"generator": weights}, "optimizer": {"state": {0: {"step": 1}}}},
        lambda weights: [3, weights],
    ],
)
def test_weights_lie_under_any_name(around: Callable[[object], object], published: dict[str, Tensor]) -> None:
    assert tensors_of(around(published)).keys() == published.keys()


def test_two_sets_of_weights_are_no_choice(published: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="under student, teacher; keep one of them"):
        tensors_of({"student": published, "teacher": published})


def test_collections_beside_the_weights_are_no_obstacle(published: dict[str, Tensor], tmp_path: Path) -> None:
    beside = {"log": collections.defaultdict(list, loss=[1.0]), "last": collections.deque([1.0], maxlen=5)}
    torch.save({"state_dict": collections.defaultdict(list, published)} | beside, tmp_path / "log.pth")
    counter = convert.convert(tmp_path / "log.pth", "mcnn", tmp_path / "out.safetensors")
    assert torch.equal(counter.state_dict()["fuse.weight"], published["DME.fuse.0.conv.weight"])


def front_end(prefix: str) -> dict[str, Tensor]:
    state = build_counter("csrnet").state_dict()
    return {name.replace("frontend.", prefix): value for name, value in state.items() if name.startswith("frontend.")}


@pytest.mark.parametrize("prefix", ["frontend.", "features."])
def test_a_front_end_starts_a_training_and_is_no_counter(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    tensors = front_end(prefix)
    if prefix == "features.":
        tensors |= {"features.24.weight": torch.zeros(1), "classifier.0.weight": torch.zeros(1)}
    save_file(tensors, path)
    counter = build_counter("csrnet", weights=path)
    assert torch.equal(counter.state_dict()["frontend.21.weight"], tensors[f"{prefix}21.weight"])
    assert counter.output_scale == 64.0
    assert "front end of a csrnet alone" in refused(path, "csrnet")


def test_the_front_end_of_a_whole_counter_can_be_taken_alone(tmp_path: Path) -> None:
    path = tmp_path / "csrnet.safetensors"
    trained = build_counter("csrnet")
    save_file(trained.state_dict(), path)
    settings = {"mean": (0.5,) * 3, "std": (0.225,) * 3, "output_scale": 1.0}
    whole = build_counter("csrnet", weights=path, **settings)
    part = build_counter("csrnet", weights=f"{path}#frontend")
    assert whole.output_scale == 1.0
    assert torch.equal(whole.state_dict()["backend.0.weight"], trained.state_dict()["backend.0.weight"])
    assert part.output_scale == 64.0
    assert torch.equal(part.state_dict()["frontend.0.weight"], trained.state_dict()["frontend.0.weight"])
    assert not torch.equal(part.state_dict()["backend.0.weight"], trained.state_dict()["backend.0.weight"])
    with pytest.raises(InputError, match="no layout known to hold the front end of a mcnn"):
        build_counter("mcnn", weights=f"{path}#frontend")


@pytest.mark.parametrize(
    ("name", "kind"), [("csrnet_part_a_fp16", "csrnet"), ("mcnn_part_a", "mcnn"), ("mcnn_part_b", "mcnn")]
)
def test_published_weights_count_the_same_once_converted(
    name: str,
    kind: str,
    shared_weights: Callable[[str], Path],
    part_b: Callable[[int], tuple[Tensor, Tensor]],
    tmp_path: Path,
) -> None:
    path = shared_weights(f"{name}.safetensors")
    images = part_b(2)[0][..., 300:500, 300:500]
    counter = convert.convert(path, kind, tmp_path / "out.safetensors")
    estimate = counter.count(images)
    assert torch.equal(load_counter(tmp_path / "out.safetensors").count(images), estimate)
    assert torch.equal(build_counter(kind, weights=path).count(images), estimate)
    assert estimate.item() > 1


def test_csrnets_published_weights_count_real_crowds(
    shared_weights: Callable[[str], Path], part_b: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    counter = build_counter("csrnet", weights=shared_weights("csrnet_part_a_fp16.safetensors"))
    images, points = part_b(1)  # 233 people
    assert counter.count(images).item() == pytest.approx(189.6, abs=0.5)  # trained on Part_A, whose crowds are denser
    assert len(points) == 233


def test_csrnets_tiles_count_a_real_crowd_within_a_hundredth(
    shared_weights: Callable[[str], Path], part_b: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    counter = build_counter("csrnet", weights=shared_weights("csrnet_part_a_fp16.safetensors"))
    images, _ = part_b(5)
    images = images[..., 300:364, 400:900]
    whole = counter.count(images).item()
    counter.tile = 400
    assert counter.count(images).item() == pytest.approx(whole, rel=0.01)
