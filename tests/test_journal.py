"""Journals: what is kept of a long command, whatever the disk and other processes do."""

import fcntl
import resource
from pathlib import Path

import pytest

from countguard.errors import RunError
from countguard.journal import Journal, journal_at

COMMAND = {"verb": "count"}


def test_a_full_disk_is_one_line_and_what_was_kept_before_is_there(tmp_path: Path) -> None:
    path, (soft, hard) = tmp_path / "kept", resource.getrlimit(resource.RLIMIT_FSIZE)
    said = r"kept: cannot be written \(File too large\); what was kept before is there"

    def write(kept: Journal) -> None:
        kept.add("a", 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
        kept.add("b", "long" * 100)

    try:
        with pytest.raises(RunError, match=said), journal_at(path, COMMAND) as kept:
            write(kept)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with journal_at(path, COMMAND) as kept:
        assert dict(kept.rows) == {"a": 1}
        kept.add("b", 2)
    with journal_at(path, COMMAND) as kept:
        assert dict(kept.rows) == {"a": 1, "b": 2}


def test_a_disk_that_has_no_room_for_the_first_line_is_one_line(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, hard))
    try:
        with pytest.raises(RunError, match="cannot be written"), journal_at(tmp_path / "kept", COMMAND):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_goes_while_it_is_opened_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lock = tmp_path / "kept", fcntl.flock
    with journal_at(path, COMMAND) as first:
        first.add("a", 1)

    def late(*arguments: int) -> None:
        monkeypatch.setattr("fcntl.flock", lock)
        path.unlink()  # the process that wrote it has finished
        lock(*arguments)

    monkeypatch.setattr("fcntl.flock", late)
    with journal_at(path, COMMAND) as kept:
        assert dict(kept.rows) == {}
        kept.add("b", 2)
    with journal_at(path, COMMAND) as kept:
        assert dict(kept.rows) == {"b": 2}


def test_a_part_holds_its_own_rows_and_takes_no_others_with_it(tmp_path: Path) -> None:
    with journal_at(tmp_path / "kept", COMMAND) as whole:
        one, other = whole.part("one"), whole.part("other")
        one.add("a", 1)
        other.add("a", 2)
        assert (len(one), dict(one.rows), one.get("a")) == (1, {"a": 1}, 1)
        one.part("inner").add("b", 3)
        assert dict(one.rows) == {"a": 1, "inner: b": 3}
        assert len(whole) == 3
        one.finish()
    with journal_at(tmp_path / "kept", COMMAND) as whole:
        assert dict(whole.part("other").rows) == {"a": 2}
        assert len(whole) == 3


def test_a_journal_that_nothing_keeps_is_in_memory_alone() -> None:
    kept = Journal(rows={"a": 1})
    kept.add("b", 2)
    kept.finish()
    assert dict(kept.rows) == {"a": 1, "b": 2}
