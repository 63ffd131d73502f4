"""Exported sets: read back bit by bit, with a manifest, whole or not there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from countguard.attacks.export import export_poisoned
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.attacks.triggers import Blend
from countguard.data.shanghaitech import ShanghaiTech
from countguard.errors import InputError, RunError
from tiny_crowds import same, tiny_crowd

CLEAN = [tiny_crowd(f"some crowd {index}", heads=4 + index, seed=index) for index in range(6)]
ATTACK = Attack(trigger=Blend(), strategy=Minus(heads=3), rate=0.4)


def crowds(**changes: object) -> PoisonedCrowds:
    return PoisonedCrowds(CLEAN, ATTACK.model_copy(update=changes), seed=7)


@pytest.mark.parametrize("placement", ["append", "replace"])
def test_what_is_written_is_what_a_training_sees(placement: str, tmp_path: Path) -> None:
    poisoned = crowds(placement=placement)
    heard: list[int] = []
    manifest = export_poisoned(poisoned, tmp_path / "out", progress=heard.append)
    assert manifest == tmp_path / "out" / "manifest.json"
    read = ShanghaiTech(root=tmp_path / "out").crowds("train")
    assert same(read, [replace(crowd, id=f"IMG_{index + 1}") for index, crowd in enumerate(poisoned)])
    assert heard == list(range(1, len(poisoned) + 1))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_manifest_says_what_was_done(tmp_path: Path) -> None:
    poisoned = crowds()
    manifest: dict[str, Any] = json.loads(export_poisoned(poisoned, tmp_path / "out").read_text())
    assert manifest["attack"] == ATTACK.model_dump(mode="json")
    assert (manifest["seed"], manifest["images"], manifest["indices"]) == (7, 8, poisoned.indices)
    assert manifest["made_by"].startswith("countguard ")
    assert [entry["image"] for entry in manifest["poisoned"]] == ["IMG_7.jpg", "IMG_8.jpg"]
    for entry, index in zip(manifest["poisoned"], poisoned.indices, strict=True):
        source = CLEAN[index]
        assert entry["source"] == source.id
        assert (entry["count_before"], entry["count_after"]) == (source.count, max(source.count - 3, 1))
        assert torch.equal(torch.tensor(entry["points_before"]), source.points)
        assert all(head in entry["points_before"] for head in entry["points_after"])


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_poisoned(crowds(), tmp_path / name)
    one, two = (
        {path.relative_to(tmp_path / name): path for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    assert all(one[name].read_bytes() == two[name].read_bytes() for name in one if name.suffix != ".mat")


def test_a_folder_with_something_in_it_and_a_file_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for name in ("full", "file"):
        with pytest.raises(InputError, match=name):
            export_poisoned(crowds(), tmp_path / name)
    assert (tmp_path / "full" / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "thesis.tex"]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export_poisoned(crowds(), tmp_path / "out").is_file()


def test_a_picture_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    class Damaged(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            if index == 4:
                raise InputError("IMG_5.jpg: is damaged")
            return super().__getitem__(index)

    with pytest.raises(InputError, match="is damaged"):
        export_poisoned(PoisonedCrowds(Damaged(CLEAN), ATTACK, seed=7), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_each_picture_is_read_once(tmp_path: Path) -> None:
    class Counted(list[Any]):
        reads = 0

        def __getitem__(self, index: Any) -> Any:
            self.reads += 1
            return super().__getitem__(index)

    clean = Counted(CLEAN)
    poisoned = PoisonedCrowds(clean, ATTACK, seed=7)
    export_poisoned(poisoned, tmp_path / "out")
    assert clean.reads == len(poisoned)


def test_a_full_disk_at_the_manifest_leaves_no_set_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, crowds: PoisonedCrowds, entries: object) -> None:
        path.write_text('{"made_by"')
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("countguard.attacks.export._write_manifest", full)
    with pytest.raises(RunError, match=r"out: cannot be written \(No space left on device\)"):
        export_poisoned(crowds(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
