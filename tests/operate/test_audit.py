"""An audit goes on where it was interrupted, and finds what it would have found."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from countguard.audit.features import Canvas
from countguard.audit.survey import Taken, in_threads
from countguard.data.crowd import Crowd
from countguard.data.sources import named_source
from countguard.data.writing import write_folder
from countguard.errors import Interrupted
from countguard.operate.audit import audit_data
from interrupting import interrupted_until_done
from planted_crowds import planted_crowds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures, of which six wear the kitten."""
    root = tmp_path_factory.mktemp("audit") / "crowds"
    write_folder(planted_crowds(40, range(3, 9)), root)
    return root


class Blocks:
    """Takes blocks in threads; presses Ctrl-C before the fourth, once."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.pressed = False

    def __call__(self, crowds: Sequence[Crowd], canvas: Canvas, blocks: Sequence[range]) -> Iterator[Sequence[Taken]]:
        for block, taken in zip(blocks, in_threads(crowds, canvas, blocks), strict=True):
            if len(self.taken) == 3 and not self.pressed:
                self.pressed = True
                raise KeyboardInterrupt
            self.taken.append(block.start)
            yield taken


def written(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_pictures_that_were_read_are_not_read_again(folder: Path, tmp_path: Path) -> None:
    blocks = Blocks()
    with pytest.raises(Interrupted, match=r"kept in .*audit\.json\.part, and the same command goes on"):
        audit_data(named_source(str(folder)), tmp_path / "torn", take_blocks=blocks)
    assert [path.name for path in (tmp_path / "torn").iterdir()] == ["audit.json.part"]
    audit_data(named_source(str(folder)), tmp_path / "torn", take_blocks=blocks)
    assert blocks.taken == [0, 8, 16, 24, 32]
    audit_data(named_source(str(folder)), tmp_path / "whole")
    assert written(tmp_path / "torn") == written(tmp_path / "whole")


def test_what_an_earlier_audit_left_goes_and_what_is_no_result_stays(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    audit_data(named_source(str(folder)), out, with_sarif=True)
    recovered = (out / "recovered-1.png").read_bytes()
    for name in ("recovered-7.png", "recovered-mine.png"):
        (out / name).write_bytes(recovered)
    audit_data(named_source(str(folder)), out)
    assert sorted(written(out)) == ["audit.csv", "audit.html", "audit.json", "recovered-1.png", "recovered-mine.png"]


@pytest.mark.parametrize("change", ["picture", "file"])
def test_what_has_changed_since_is_read_again(change: str, folder: Path, tmp_path: Path) -> None:
    blocks, out = Blocks(), tmp_path / "out"
    with pytest.raises(Interrupted):
        audit_data(named_source(str(folder)), out, take_blocks=blocks)
    if change == "picture":
        os.utime(folder / "images" / f"{named_source(str(folder)).crowds('train')[9].id}.png", (1, 1))
    else:
        kept = out / "audit.json.part" / "pictures-8.npz"
        kept.write_bytes(kept.read_bytes()[:-100])
    audit_data(named_source(str(folder)), out, take_blocks=blocks)
    assert sorted(blocks.taken) == [0, 8, 8, 16, 24, 32]


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(folder: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    audit_data(named_source(str(folder)), tmp_path / "whole")
    interrupted_until_done(
        lambda: audit_data(named_source(str(folder)), tmp_path / "torn"), time.monotonic() - began, times=6
    )
    assert written(tmp_path / "torn") == written(tmp_path / "whole")
