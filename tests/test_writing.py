"""Files are whole or not there."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countguard.errors import InputError, RunError
from countguard.writing import (
    PARTIAL,
    copy_file,
    make_folder,
    open_in_place,
    remove_results,
    require_place,
    require_results,
    sha256_of,
    whole_folder,
    write_atomically,
)

Write = Callable[[Path], object]


@pytest.mark.parametrize("content", ["", "größer\n", b"\x00\xff"])
def test_what_is_written_is_what_is_read(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    seen: list[str] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: seen.append(path.read_text()))
    write_atomically(path, "after")
    assert seen == ["before"]
    assert path.read_text() == "after"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of the user's that nothing may touch."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/mine").write_text("mine")
    return tmp_path / "home/mine"


def test_a_temporary_name_that_a_stranger_has_foreseen_is_not_used(mine: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for number in [os.getpid(), *range(2, 200)]:
        (run / f".counters.csv.{number}.part").symlink_to(mine)
    names: set[str] = set()
    system = os.replace

    def replace(partial: str, *arguments: object, **folders: object) -> None:
        names.add(partial)
        system(partial, *arguments, **folders)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        for _ in range(3):
            write_atomically(run / "counters.csv", "new")
    assert mine.read_text() == "mine"
    assert len(names) == 3
    assert all(len(name) > 32 and name.endswith(PARTIAL) for name in names)


@pytest.mark.parametrize(
    "write", [lambda path: write_atomically(path, "new"), open_in_place], ids=["whole", "in_place"]
)
def test_a_link_is_neither_followed_nor_replaced(write: Write, mine: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(mine)
    with pytest.raises(InputError, match="out: is a link"):
        write(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "write", [lambda path: write_atomically(path, "new"), open_in_place], ids=["whole", "in_place"]
)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_plain_file_is_not_replaced(write: Write, make: Write, tmp_path: Path) -> None:
    make(tmp_path / "out")
    with pytest.raises(InputError, match="out: is no plain file"):
        write(tmp_path / "out")
    assert not (tmp_path / "out").is_file()
    assert [found.name for found in tmp_path.iterdir()] == ["out"]


def test_what_is_written_in_place_is_kept_and_has_one_name(mine: Path, tmp_path: Path) -> None:
    with open_in_place(tmp_path / "log") as log:
        log.write(b"one ")
    with open_in_place(tmp_path / "log") as log:
        log.write(b"two")
    assert (tmp_path / "log").read_text() == "one two"
    os.link(mine, tmp_path / "lock")
    with pytest.raises(InputError, match="lock: is a link"):
        open_in_place(tmp_path / "lock")


def test_no_linked_folder_below_the_root_is_written_to(mine: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_folder(run.parent / "run", tmp_path)
    (run / "tables").symlink_to(mine.parent)
    for write in (
        lambda: make_folder(run / "tables", run),
        lambda: write_atomically(run / "tables/mine", "", root=run),
    ):
        with pytest.raises(InputError, match=r"tables: is a link; .* should hold the folder itself"):
            write()
    assert mine.read_text() == "mine"
    (run / "figures").write_text("a file")
    with pytest.raises(InputError, match="figures: is not a folder"):
        make_folder(run / "figures/deep", run)
    with pytest.raises(InputError, match="leaves"):
        make_folder(run / "../home/new", run)
    write_atomically(make_folder(run / "a/b", run) / "file", "new", root=run)
    assert (run / "a/b/file").read_text() == "new"


def test_permissions_are_those_of_a_plain_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", "")
        (tmp_path / "private").touch(mode=0o600)
        write_atomically(tmp_path / "private", "")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "private")] == [0o640, 0o600]


def test_a_copy_takes_no_file_from_elsewhere(mine: Path, tmp_path: Path) -> None:
    run = make_folder(tmp_path / "run", tmp_path)
    (run / "counter").symlink_to(mine)
    with pytest.raises(InputError, match="is a link"):
        copy_file(run / "counter", run / "copy", 100, root=run)
    (run / "real").write_text("real")
    copy_file(run / "real", run / "copy", 100, root=run)
    assert (run / "copy").read_text() == "real"


def test_a_folder_is_whole_or_not_there_with_those_around_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing was left"), whole_folder(tmp_path / "a/b/c") as folder:
        (folder / "gone" / "file").read_bytes()
    assert list(tmp_path.iterdir()) == []
    with whole_folder(tmp_path / "a/b/c") as folder:
        (folder / "file").write_text("whole")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["a", "a/b", "a/b/c", "a/b/c/file"]


def test_a_folder_is_not_put_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("elsewhere")
    with pytest.raises(InputError, match="is a link"), whole_folder(tmp_path / "out"):
        pass
    assert not (tmp_path / "elsewhere").exists()


@given(st.text(max_size=300).filter(lambda name: name not in ("", ".", "..") and not set(name) & set("/\0")))
def test_any_name_that_a_file_can_have_can_be_written(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        try:
            path.touch()
        except (OSError, UnicodeEncodeError):
            return  # no file can have it
        write_atomically(path, "content")
        assert [found.name for found in Path(folder).iterdir()] == [name]


def test_a_hash_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def test_a_place_for_a_result_is_looked_at_before_the_work(tmp_path: Path) -> None:
    require_place(tmp_path / "new", "--out")
    (tmp_path / "old").write_text("may be replaced")
    require_place(tmp_path / "old", "--out")
    with pytest.raises(InputError, match="is a folder; --out should name a file"):
        require_place(tmp_path, "--out")
    for missing in (tmp_path / "missing" / "new", tmp_path / "old" / "new"):
        with pytest.raises(InputError, match=r"there is no folder .*name another --out"):
            require_place(missing, "--out")


def test_a_place_that_holds_what_is_read_or_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("mine")
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="input: is what is read; --out should name another file"):
        require_place(tmp_path / "sub/../input", "--out", inputs=[tmp_path / "missing", tmp_path / "input"])
    for device in (Path("/dev/null"), Path("/dev/stdout")):
        with pytest.raises(InputError, match=r"is no plain file|is a link"):
            require_place(device, "--out")


def test_a_result_replaces_earlier_results_alone(tmp_path: Path) -> None:
    marks = {"a.json": b'"verdict"', "b.html": b"countguard"}
    require_results(tmp_path / "new/below", marks, "--out")
    (tmp_path / "a.json").write_text('{"verdict": "nothing found"}')
    (tmp_path / "b.html").write_text("<html>" + "x" * 10_000 + "countguard")
    require_results(tmp_path, marks, "--out")
    for content in ("somebody else's", "x" * 5000 + "countguard" + "x" * 5000):
        (tmp_path / "b.html").write_text(content)
        with pytest.raises(InputError, match=r"b\.html: is there, is no earlier result.*another --out"):
            require_results(tmp_path, marks, "--out")
    for folder in (tmp_path / "a.json", tmp_path / "a.json/below"):
        with pytest.raises(InputError, match=r"a\.json: is a file; --out should name a folder"):
            require_results(folder, marks, "--out")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(InputError, match="link: is a link to nothing"):
        require_results(tmp_path / "link", marks, "--out")


def test_earlier_results_go_and_nothing_else_does(tmp_path: Path) -> None:
    marks = dict.fromkeys(("new.json", "old.json", "mine.json", "link.json", "missing.json"), b'"verdict"')
    for name in ("new.json", "old.json", "unmarked.json", "linked"):
        (tmp_path / name).write_text('{"verdict": "nothing found"}')
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("linked")
    remove_results(tmp_path, marks, but=["new.json"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "link.json", "linked", "mine.json", "new.json", "unmarked.json",
    ]  # fmt: skip


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, who may write anywhere
    with pytest.raises(InputError, match="may not be written to"):
        require_place(tmp_path / "new", "--out")
