"""Zip files of strangers: plain files inside the folder, of a bounded size, or one line."""

import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countguard.errors import InputError
from countguard.web import archives
from countguard.web.archives import unpack


def zipped(path: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, content)
    return path


def test_plain_files_come_out_as_they_are_and_system_files_stay_away(tmp_path: Path) -> None:
    members = {"set/a.jpg": b"a", "set/points.csv": b"p", "__MACOSX/set/._a.jpg": b"x", "set/.DS_Store": b"x"}
    heard: list[tuple[int, int]] = []
    unpack(zipped(tmp_path / "set.zip", members), tmp_path / "out", lambda done, of: heard.append((done, of)))
    assert {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    } == {
        "set/a.jpg",
        "set/points.csv",
    }
    assert heard == [(1, 2), (2, 2)]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a\\..\\evil"])
def test_a_name_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out of the archive"):
        unpack(zipped(tmp_path / "set.zip", {"good": b"", name: b"x"}), tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


def test_links_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is a link or another special file"):
        unpack(zipped(tmp_path / "link.zip", {"a": b"/etc/passwd"}, stat.S_IFLNK | 0o777), tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to"):
        unpack(zipped(tmp_path / "bomb.zip", {"a": bytes(2000)}), tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_FILES", 2)
    with pytest.raises(InputError, match="holds 3 files"):
        unpack(zipped(tmp_path / "many.zip", dict.fromkeys("abc", b"")), tmp_path / "out")


def test_a_refusal_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        unpack(zipped(tmp_path / "set.zip", {"../evil": b"x"}), tmp_path / "out")
    assert str(caught.value) == "set.zip: ../evil: leads out of the archive"


@given(content=st.binary(max_size=200), cut=st.integers(0, 200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_else_is_one_line_that_names_the_file(content: bytes, cut: int, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "set.zip", {"a": content}).read_bytes()
    (tmp_path / "set.zip").write_bytes(whole[:cut] + content)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    message = ""
    try:
        unpack(tmp_path / "set.zip", tmp_path / "out")
    except InputError as error:
        message = str(error)
    assert not message or message.startswith("set.zip: ")
    assert "\n" not in message
