"""What is looked at before a study starts, and that nothing is there when it does not."""

import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from countguard.data.synthetic import Synthetic
from countguard.data.writing import write_folder
from countguard.errors import InputError, RunError
from countguard.models import build_counter, save_counter
from countguard.runs.card import Card
from countguard.runs.lock import held
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import CrowdCache
from countguard.studies.prepare import prepare
from countguard.studies.recipe import ModelSettings, Recipe
from countguard.studies.resolve import recipe_from
from countguard.studies.run import run_study
from raw_recipe import raw_recipe
from tiny_crowds import tiny_crowd


def recipe(**changes: Any) -> Recipe:
    return recipe_from(raw_recipe(**changes), "here")


def nothing(cells: Sequence[Cell], study: Path, *others: object) -> None:
    """An executor that runs no cell."""


def test_another_recipe_is_refused_by_a_folder_and_told_what_differs(tmp_path: Path) -> None:
    study = run_study(recipe(), tmp_path / "run", executor=nothing)
    before = (study / "study.yaml").read_bytes()
    others: list[tuple[dict[str, Any], str]] = [
        ({"training": {"epochs": 2, "batch_size": 2}}, "training.epochs is 1 there and 2 now"),
        ({"seeds": [0, 1]}, "seeds is [0] there and [0, 1] now"),
        ({"attack": {"strategies": [{"kind": "add"}, {"kind": "multiply"}]}}, "attack.strategies.0.kind is 'minus'"),
    ]
    for changes, difference in others:
        with pytest.raises(InputError, match=r"study\.yaml: holds another study \(.*use another --out") as caught:
            run_study(recipe(**changes), study, executor=nothing)
        assert difference in str(caught.value)
    assert (study / "study.yaml").read_bytes() == before


def test_a_model_is_built_once_and_a_data_set_opened_once_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for cls, name in ((ModelSettings, "build"), (Synthetic, "load"), (Synthetic, "crowds")):
        whole = getattr(cls, name)

        def noted(*arguments: Any, name: str = name, whole: Callable[..., Any] = whole) -> Any:
            calls.append(name)
            return whole(*arguments)

        monkeypatch.setattr(cls, name, noted)
    run_study(recipe(), tmp_path / "run", executor=nothing)
    assert sorted(calls) == ["build", "crowds", "crowds", "load"]  # a part of the data set each


def test_each_finished_cell_reads_one_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = run_study(recipe(), tmp_path / "run")
    for card in sorted(study.glob("cells/*/card.json"))[:3]:
        card.unlink()
    reads: list[Path] = []
    read = Card.read

    def noted(path: Path) -> Card:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(Card, "read", noted)
    run_study(recipe(), study)
    again = [path for path in reads if reads.count(path) > 1]
    assert len(reads) <= 6 + 3 + 3  # each once at the start; the missing ones by their own run and once when finished
    assert len(set(again)) <= 3


def test_the_same_recipe_goes_on_wherever_it_runs(tmp_path: Path) -> None:
    study = run_study(recipe(), tmp_path / "run", executor=nothing)
    run_study(recipe(machine={"accelerator": "auto", "threads": 2, "resume_seconds": 1}), study, executor=nothing)


def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"holds thesis\.tex and no study\.yaml; use an empty or a new folder"):
        run_study(recipe(), tmp_path, executor=nothing)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("out", ["file", "file/run", "file/deep/run"])
def test_a_file_is_no_folder(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match="file is a file; --out should name a folder"):
        run_study(recipe(), tmp_path / out, executor=nothing)
    assert (tmp_path / "file").read_text() == "a file"


def test_a_folder_in_use_is_told(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(RunError, match="is held by process"):
        run_study(recipe(), tmp_path, executor=nothing)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40 - 2**20, 2**20))
    with pytest.raises(RunError, match=r"1 MiB are free, 6 counters need about \d+; nothing was started"):
        run_study(recipe(), tmp_path / "run", executor=nothing)
    assert not (tmp_path / "run" / "cells").exists()


def test_a_disk_that_fills_up_is_told_and_what_is_finished_stays(tmp_path: Path) -> None:
    def full(cells: Sequence[Cell], study: Path, *others: object) -> None:
        raise OSError(28, "No space left on device", str(study / "cells"))

    with pytest.raises(RunError, match=r"cells: No space left on device; finished cells are kept"):
        run_study(recipe(), tmp_path / "run", executor=full)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": {"kind": "shanghaitech", "root": "nowhere", "part": "B"}}, "nowhere"),
        ({"data": {"kind": "folder", "root": "nowhere"}}, "nowhere"),
        ({"data": raw_recipe()["data"] | {"images": 5}}, "data.images asks for 5 images, 4 are there"),
        ({"model": {"kind": "resnet"}}, "model.kind 'resnet' is unknown"),
        ({"model": {"kind": "lite", "depth": 3}}, "depth"),
        ({"model": {"kind": "lite", "weights": "nowhere.safetensors"}}, "nowhere.safetensors"),
        ({"model": {"kind": "lite", "weights": "openai"}}, "model.weights 'openai' is unknown to lite"),
        (
            {"attack": {"trigger": {"kind": "blend", "picture": "cat.png"}, "strategies": []}},
            "trigger.picture: 'cat.png'",
        ),
        ({"defenses": [{"kind": "fine_tune", "extra": {"kind": "folder", "root": "elsewhere"}}]}, "elsewhere"),
        ({"training": {"select": "best_validation"}}, "training.validation_images: 40 leave none to train on of the 4"),
        ({"vary": {"training.speed": [1]}}, "vary.training.speed"),
        ({"vary": {"training.lr": [1e-3, 1e-3]}}, "vary: two combinations give the same cell name"),
    ],
)
def test_what_would_stop_a_study_stops_it_before_its_folder_is_made(
    changes: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        run_study(recipe(**changes), tmp_path / "run", executor=nothing)
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_selected_on_a_sets_own_images_however_few_there_are_to_train_on(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        write_folder([tiny_crowd(f"{part}-{place}") for place in range(2)], tmp_path / "set" / part)
    asked = recipe(
        data={"kind": "folder", "root": str(tmp_path / "set"), "images": 1},
        training={"select": "best_validation", "epochs": 1, "batch_size": 1},
    )
    assert prepare(asked, CrowdCache()).cells
    shutil.rmtree(tmp_path / "set" / "val")
    with pytest.raises(InputError, match=r"training\.validation_images: 40 leave none to train on of the 1"):
        prepare(asked, CrowdCache())


def test_weights_that_cannot_be_downloaded_are_named_with_the_file_that_would_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(InputError, match=r"model\.weights 'imagenet'.*put it .*\.safetensors") as caught:
        run_study(recipe(model={"kind": "csrnet", "weights": "imagenet"}), tmp_path / "run", executor=nothing)
    assert str(tmp_path / "cache") in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_kind_and_pickles_are_named(tmp_path: Path) -> None:
    save_counter(build_counter("mcnn"), tmp_path / "mcnn.safetensors")
    torch.save(build_counter("lite").state_dict(), tmp_path / "lite.pth")
    for file, says in (("mcnn.safetensors", "holds a counter of kind 'mcnn'"), ("lite.pth", "is a pickle")):
        with pytest.raises(InputError, match=says):
            prepare(recipe(model={"kind": "lite", "weights": str(tmp_path / file)}), CrowdCache())


@pytest.mark.skipif(torch.cuda.is_available(), reason="the accelerator is there")
@pytest.mark.parametrize("accelerator", ["cuda", "gpu", "mps"])
def test_an_accelerator_that_is_not_there_is_named(accelerator: str, tmp_path: Path) -> None:
    if accelerator != "cuda" and torch.backends.mps.is_available():
        pytest.skip("the accelerator is there")
    with pytest.raises(RunError, match=rf"machine\.accelerator: {accelerator} is not there; auto takes what there is"):
        run_study(recipe(machine={"accelerator": accelerator}), tmp_path / "run", executor=nothing)
    assert list(tmp_path.iterdir()) == []
