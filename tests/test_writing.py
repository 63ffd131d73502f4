"""Files are whole or not there."""

import hashlib
from pathlib import Path

import pytest

from countguard.errors import InputError
from countguard.writing import require_place, sha256_of, write_atomically


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


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, who may write anywhere
    with pytest.raises(InputError, match="may not be written to"):
        require_place(tmp_path / "new", "--out")
