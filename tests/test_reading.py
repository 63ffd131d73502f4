"""Files from strangers are plain, inside their folder, and of a stated size; whatever is not is one line."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from countguard.errors import InputError
from countguard.reading import list_folder, open_file, read_file, read_json, read_text

SECRET = b"private"
Make = Callable[[Path], object]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a file in a folder of its own, and a private file beside it."""
    (tmp_path / "run/cells/one").mkdir(parents=True)
    (tmp_path / "run/cells/one/card.json").write_bytes(b'{"a": [1, 2]}')
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/card.json").write_bytes(SECRET)
    return tmp_path / "run"


def test_a_plain_file_is_read(run: Path) -> None:
    card = run / "cells/one/card.json"
    assert read_file(card, 100) == read_file(card, 100, root=run) == b'{"a": [1, 2]}'
    assert read_json(card, 100, root=run) == {"a": [1, 2]}
    assert list_folder(run / "cells", 10, root=run) == ["one"]


def _link_file(run: Path) -> None:
    (run / "cells/two").mkdir()
    (run / "cells/two/card.json").symlink_to(run.parent / "secret/card.json")


@pytest.mark.parametrize(
    "link",
    [
        lambda run: (run / "cells/two").symlink_to(run.parent / "secret"),
        _link_file,
        lambda run: (run / "cells/two").symlink_to("one"),  # even one that stays inside
    ],
    ids=["folder", "file", "inside"],
)
def test_no_link_below_the_root_is_followed(link: Make, run: Path) -> None:
    link(run)
    with pytest.raises(InputError, match="is a link"):
        read_file(run / "cells/two/card.json", 100, root=run)
    with pytest.raises(InputError, match="leaves"):
        read_file(run / "../secret/card.json", 100, root=run)


def test_a_linked_folder_is_not_listed(run: Path) -> None:
    (run / "cells/two").symlink_to(run.parent / "secret")
    with pytest.raises(InputError, match="is a link"):
        list_folder(run / "cells/two", 10, root=run)
    with pytest.raises(InputError, match="holds more than 1 files"):
        list_folder(run / "cells", 1, root=run)
    with pytest.raises(InputError, match="cannot be read as a folder"):
        list_folder(run / "gone", 1, root=run)


def test_what_the_user_names_may_be_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(run)
    (tmp_path / "card").symlink_to(run / "cells/one/card.json")
    assert read_file(tmp_path / "card", 100) == read_file(
        tmp_path / "latest/cells/one/card.json", 100, root=tmp_path / "latest"
    )


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, _socket, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "folder", "socket", "device"],
)
@pytest.mark.parametrize("rooted", [False, True])
def test_what_is_no_plain_file_is_refused_at_once(make: Make, rooted: bool, tmp_path: Path) -> None:
    make(tmp_path / "it")
    with pytest.raises(InputError, match="it: is"):
        open_file(tmp_path / "it", 100, root=tmp_path if rooted else None)


def test_sizes_are_kept(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(101))
    (tmp_path / "empty").write_bytes(b"")
    for name, says in {"large": "101 bytes; at most 100", "empty": "is empty", "gone": "No such file"}.items():
        with pytest.raises(InputError, match=says):
            read_file(tmp_path / name, 100)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b"{", "is not JSON"),
        (b"1" * 5000, "is not JSON"),
    ],
)
def test_json_that_is_none_or_not_one_thing(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "it.json").write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_json(tmp_path / "it.json", 1 << 20)


def test_text_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes("\ufeffgrün".encode())
    assert read_text(tmp_path / "it", 100) == "grün"
