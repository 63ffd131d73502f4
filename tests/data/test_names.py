"""Names that would break a line or lie are refused when a set is loaded; honest ones of any language are read."""

import os
from pathlib import Path

import pytest

from corpus.case import folder, shanghaitech
from countguard.data.folder import Folder
from countguard.data.names import require_readable_name
from countguard.data.shanghaitech import ShanghaiTech
from countguard.errors import InputError

HONEST = [
    "人群",
    "ازدحام\u200cجمعیت",  # a mark that words of Persian need
    "Screenshot 2026-11-25 at 1.02.03\u202fPM",  # a narrow space that a system of screenshots writes
    "no\u00a0break",
    "family 👨\u200d👩\u200d👧",
    "=1+1",
    "'=1+1",
    "-5",
    "a,b;c\"d'",
    "[bold] :bomb: <b>`|`*",
]
REFUSED = {
    "two\nlines": "control character",
    "\x1b[2Jclear": "control character",
    "\x9b2J": "control character",
    "tab\there": "control character",
    os.fsdecode(b"n\xff"): "no UTF-8",
    "line\u2028end": "line end",
    "gpj\u202e.exe": "turns text",
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_name_is_an_id(name: str, tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "images/a.jpg").rename(tmp_path / f"images/{name}.jpg")
    quoted = name.replace('"', '""')
    (tmp_path / "points.csv").write_text(f'image,x,y\n"{quoted}.jpg",1,2\nb.png,,\n')
    assert name in [crowd.id for crowd in Folder(root=tmp_path).crowds("train")]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_name_that_breaks_its_line_is_refused(name: str, tmp_path: Path) -> None:
    train = shanghaitech(tmp_path) / "part_B/train_data"
    (train / "images/IMG_1.jpg").rename(train / f"images/{name}.jpg")
    (train / "ground-truth/GT_IMG_1.mat").rename(train / f"ground-truth/GT_{name}.mat")
    with pytest.raises(InputError, match=f"its name holds .*{REFUSED[name]}.*; rename it") as refused:
        ShanghaiTech(root=tmp_path).crowds("train")
    assert str(refused.value).isprintable()
    skipping = ShanghaiTech(root=tmp_path, skip_bad=True).crowds("train")
    assert (len(skipping), len(skipping.skipped)) == (1, 1)


def test_an_id_that_folders_are_part_of_is_looked_at_as_a_whole() -> None:
    require_readable_name(Path("1.jpg"), "clip-1")
    with pytest.raises(InputError, match="control character"):
        require_readable_name(Path("1.jpg"), "clip\n-1")
