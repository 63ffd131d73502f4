"""The page's server answers this machine and its own page, and keeps no more uploads than there is room for."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("gradio", reason="the extra `web` is not installed")
httpx = pytest.importorskip("httpx")

from countguard.web import app as web  # noqa: E402
from countguard.web.protection import allowed_hosts, bytes_in, remove_older  # noqa: E402
from countguard.web.uploads import folders_in_use, work_folder  # noqa: E402


@pytest.fixture
def address(make_run: Any) -> Iterator[str]:
    app = web.build_app(make_run())
    yield web.launch(app)
    app.close()


def upload(address: str, size: int = 100, **headers: str) -> int:
    files = {"files": ("a.png", bytes(size))}
    return int(httpx.post(f"{address}gradio_api/upload", files=files, headers=headers).status_code)


def test_a_name_that_another_site_chose_is_refused(address: str) -> None:
    assert httpx.get(address).status_code == 200
    assert httpx.get(address, headers={"Host": "attacker.example"}).status_code == 400
    port = urlsplit(address).port
    assert httpx.get(address, headers={"Host": f"localhost:{port}"}).status_code == 200


def test_a_page_of_another_site_may_post_nothing(address: str) -> None:
    own = address.rstrip("/")
    assert upload(address) == 200  # a program that is no browser
    assert upload(address, Origin=own) == 200
    assert upload(address, Origin="https://attacker.example") == 403
    assert upload(address, Origin="null") == 403
    join = {"data": [], "fn_index": 0, "session_hash": "x"}
    headers = {"Origin": "https://attacker.example"}
    assert httpx.post(f"{address}gradio_api/queue/join", json=join, headers=headers).status_code == 403


def test_uploads_have_one_quota_for_all(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_UPLOADS", 5_000)
    app = web.build_app(make_run())
    address = web.launch(app)
    assert upload(address, 3_000) == 200
    assert upload(address, 3_000) == 413
    assert upload(address, 100) == 200
    app.close()


def test_old_uploads_go_and_what_cannot_be_removed_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "visitor").mkdir()
    for name in ("old", "new"):
        (tmp_path / "visitor" / name).write_bytes(bytes(10))
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    before = time.time() - 100
    for name in ("left", "made"):
        (tmp_path / name).mkdir()
    for path in (tmp_path / "visitor" / "old", tmp_path / "broken", tmp_path / "left"):
        os.utime(path, (before, before), follow_symlinks=False)
    remove_older(tmp_path, time.time() - 50)
    assert {path.name for path in tmp_path.rglob("*")} == {"visitor", "new", "made"}
    assert bytes_in(tmp_path / "visitor") == 10


def test_what_work_uses_stays_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with work_folder("audit") as folder:
        (folder / "set").mkdir()
        (folder / "set" / "a.png").write_bytes(bytes(10))
        for path in (folder / "set" / "a.png", folder / "set", folder):
            os.utime(path, (0, 0))
        remove_older(tmp_path, time.time() - 50, folders_in_use())
        assert (folder / "set" / "a.png").exists()
    remove_older(tmp_path, time.time() - 50, folders_in_use())
    assert not (folder / "set" / "a.png").exists()


def test_all_of_a_machines_names_are_its_own_and_no_others() -> None:
    assert set(allowed_hosts("127.0.0.1")) == {"127.0.0.1", "localhost", "[::1]"}
    assert "0.0.0.0" not in allowed_hosts("0.0.0.0")
    assert {"127.0.0.1", "localhost"} < set(allowed_hosts("0.0.0.0"))
