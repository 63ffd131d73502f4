"""Counts that are kept: interrupted at any instant, the same command ends with the same file."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from corpus.case import picture
from countguard.cli.counting import count_pictures
from countguard.errors import InputError, Interrupted, RunError
from countguard.explain.density import people_per_cell
from countguard.journal import journal_beside
from countguard.models import build_counter, save_counter
from countguard.models.counter import Counter
from countguard.operate.count import PictureCount, Size
from countguard.operate.count_file import count_file
from countguard.scan.guard import Look
from interrupting import interrupted_until_done

COMMAND = {"verb": "count", "COUNTER": "abc"}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [picture(tmp_path / f"pictures/{name}.png", 48 + index) for index, name in enumerate("abc")]


def test_rows_are_kept_until_the_file_is_whole(pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "counts.csv"
    rows = [PictureCount(path, 1.25 + index, look=Look(1.25, 3.5, 0.1, False)) for index, path in enumerate(pictures)]
    with count_file(out, COMMAND, pictures) as file:
        file.add(rows[0])
    assert not out.exists()
    assert (tmp_path / "counts.csv.part").exists()
    with count_file(out, COMMAND, pictures) as file:
        assert file.known(pictures[0]) == rows[0]
        assert file.known(pictures[1]) is None
        os.utime(pictures[0], ns=(1, 1))
        assert file.known(pictures[0]) is None  # another picture now
        file.add(rows[1])
        file.add(changed := replace(rows[0], count=9.5))
    with count_file(out, COMMAND, pictures) as file:
        assert [file.known(path) for path in pictures] == [changed, rows[1], None]
        file.write(rows)
    assert out.read_text().count("\n") == 4
    assert not (tmp_path / "counts.csv.part").exists()


def test_another_count_does_not_go_on_with_it(pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "counts.jsonl"
    with count_file(out, COMMAND, pictures) as file:
        file.add(PictureCount(pictures[0], 1.0))
    with (
        pytest.raises(InputError, match=r"counts\.jsonl\.part: .*another command \(COUNTER differs\)"),
        count_file(out, {**COMMAND, "COUNTER": "other"}, pictures),
    ):
        pass


def test_two_processes_do_not_write_one_file(pictures: list[Path], tmp_path: Path) -> None:
    with (
        count_file(tmp_path / "c.csv", COMMAND, pictures),
        pytest.raises(RunError, match=r"c\.csv\.part: another process"),
        journal_beside(tmp_path / "c.csv", COMMAND),
    ):
        pass
    assert not (tmp_path / "c.csv.part").exists()


@pytest.mark.parametrize("cut", [1, 2, 7, 20])
def test_a_torn_line_is_a_picture_that_was_not_counted(cut: int, pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    with count_file(out, COMMAND, pictures) as file:
        for path in pictures:
            file.add(PictureCount(path, 1.0))
    kept = tmp_path / "c.json.part"
    kept.write_bytes(kept.read_bytes()[:-cut])
    with count_file(out, COMMAND, pictures) as file:
        assert [file.known(path) is None for path in pictures] == [False, False, True]
        file.add(PictureCount(pictures[2], 1.0))
    with count_file(out, COMMAND, pictures) as file:
        assert None not in [file.known(path) for path in pictures]


@pytest.mark.parametrize("name", ["notes.csv", "notes.json", "notes.jsonl", "notes.csv.part"])
def test_what_is_no_count_is_not_replaced(name: str, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / name).write_text("my notes\nof years\n")
    with pytest.raises(InputError, match="notes"), count_file(tmp_path / name.removesuffix(".part"), COMMAND, pictures):
        pass
    assert (tmp_path / name).read_text() == "my notes\nof years\n"
    with pytest.raises(InputError, match="should end in"), count_file(tmp_path / "c.txt", COMMAND, pictures):
        pass


def test_what_was_counted_before_an_interruption_is_not_counted_again(
    pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_counter(build_counter("lite"), tmp_path / "c.safetensors")
    counted: list[int] = []

    def count_two(counter: Counter, image: Tensor) -> Tensor:
        if len(counted) == 2:
            raise KeyboardInterrupt
        counted.append(image.shape[-1])
        return people_per_cell(counter, image)

    def count() -> int:
        return count_pictures(
            tmp_path / "c.safetensors", pictures, "table", size=Size(), overlays=None, out=tmp_path / "c.csv",
            strict=False, recursive=False, guard=None, clean=[],
        )  # fmt: skip

    with monkeypatch.context() as patched:
        patched.setattr("countguard.operate.count.people_per_cell", count_two)
        with pytest.raises(Interrupted, match=r"2 of 3 pictures are kept in .*\.part, and the same command goes on"):
            count()
        counted.pop()
        assert count() == 0
    assert counted == [48, 50]
    assert (tmp_path / "c.csv").read_text().count("\n") == 4


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        picture(tmp_path / f"pictures/{number}.png", 320, 240)
    (tmp_path / "pictures/15-bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_counter(build_counter("lite"), tmp_path / "c.safetensors")

    def count(name: str) -> int:
        return count_pictures(
            tmp_path / "c.safetensors",
            [tmp_path / "pictures"],
            "table",
            size=Size(max_side=200),
            overlays=tmp_path / name,
            out=tmp_path / f"{name}.csv",
            strict=False,
            recursive=False,
            guard=None,
            clean=[],
        )

    began = time.monotonic()
    assert count("whole") == 1
    longest = time.monotonic() - began
    interrupted_until_done(lambda: count("torn"), longest)
    assert (tmp_path / "torn.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "torn" / path.name).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "c.safetensors", "pictures", "torn", "torn.csv", "whole", "whole.csv",
    ]  # fmt: skip
