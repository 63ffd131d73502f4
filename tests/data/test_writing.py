import threading
from pathlib import Path

import pytest
import scipy.io
import torch
from hypothesis import given, settings

from countguard.data.crowd import Crowd
from countguard.data.folder import Folder
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.source import LazyCrowds
from countguard.data.writing import write_folder, write_shanghaitech
from countguard.errors import InputError, RunError
from tiny_crowds import crowd_lists, same, tiny_crowd


@given(crowds=crowd_lists())
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, crowds: list[Crowd]) -> None:
    root = tmp_path_factory.mktemp("written")
    names = [crowd.id for crowd in crowds]
    assert write_shanghaitech(crowds, root, "A", "train") == names
    assert same(crowds, ShanghaiTech(root=root, part="A").crowds("train"))
    assert write_folder(crowds, root / "plain") == names
    assert same(crowds, Folder(root=root / "plain").crowds("train"))


def test_other_code_finds_a_ground_truth_by_its_picture(tmp_path: Path) -> None:
    crowds = [tiny_crowd("IMG_3"), tiny_crowd("IMG_3-minus", seed=1), tiny_crowd("train-7", seed=2)]
    names = write_shanghaitech(crowds, tmp_path, "B", "test")
    assert names == ["IMG_3", "IMG_3-minus", "IMG_train-7"]
    for name, crowd in zip(names, crowds, strict=True):
        picture = tmp_path / "part_B/test_data/images" / f"{name}.png"
        assert picture.is_file()
        truth = str(picture).replace("images", "ground-truth").replace("IMG_", "GT_IMG_").replace(".png", ".mat")
        content = scipy.io.loadmat(truth)["image_info"][0, 0][0, 0]
        assert torch.equal(torch.from_numpy(content[0]).float(), crowd.points)
        assert content[1].item() == crowd.count


@pytest.mark.parametrize("bad", ["", "..", "../up", "a/b", "a\\b", ".hidden", "two\nlines", "a" * 300, "IMG_1"])
def test_an_id_that_is_no_unique_file_name_leaves_nothing_behind(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InputError, match="id"):
        write_folder([tiny_crowd("IMG_1"), tiny_crowd(bad)], tmp_path / "out")
    if set(bad) & set("/\\\n") or bad == "IMG_1":
        with pytest.raises(InputError, match="id"):
            write_shanghaitech([tiny_crowd("IMG_1"), tiny_crowd(bad)], tmp_path / "out", "B")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    write_shanghaitech([tiny_crowd("IMG_1")], tmp_path, "B")
    with pytest.raises(InputError, match="not empty"):
        write_shanghaitech([tiny_crowd("IMG_2")], tmp_path, "B")
    with pytest.raises(InputError, match="not empty"):
        write_folder([tiny_crowd("IMG_2")], tmp_path)
    write_shanghaitech([tiny_crowd("IMG_2")], tmp_path, "B", "test")
    split = ShanghaiTech(root=tmp_path).load()
    assert [split.training[0].id, split.test[0].id] == ["IMG_1", "IMG_2"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert write_folder([tiny_crowd("a")], tmp_path / "out") == ["a"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    with pytest.raises(RunError, match="cannot be written"):
        write_folder([tiny_crowd("a")], tmp_path / "file" / "out")


class Watched(LazyCrowds):
    """Counts how many crowds have been read."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.reads = 0
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return self.length

    def read(self, position: int) -> Crowd:
        with self.lock:
            self.reads += 1
        return tiny_crowd(f"IMG_{position}", seed=position)


def test_a_large_set_streams_and_tells_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    crowds = Watched(60)
    ahead: list[int] = []
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        ahead.append(crowds.reads - done)

    names = write_shanghaitech(crowds, tmp_path, "B", progress=progress)
    assert names == [f"IMG_{position}" for position in range(60)]
    assert told == list(range(1, 61))
    assert max(ahead) <= 5
    assert same([crowds[position] for position in range(60)], ShanghaiTech(root=tmp_path).crowds("train"))


def test_a_crowd_that_cannot_be_read_ends_the_writing_and_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Watched):
        def read(self, position: int) -> Crowd:
            if position == 7:
                raise InputError("IMG_7.jpg: is damaged")
            return super().read(position)

    broken = Broken(500)
    with pytest.raises(InputError, match="IMG_7"):
        write_shanghaitech(broken, tmp_path, "B")
    assert broken.reads < 400
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
