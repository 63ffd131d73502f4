"""Tables of head points, CSV and JSON, that are damaged, climb out of their folder or exhaust a reader."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from corpus.case import Case, folder, picture
from countguard.data.folder import Folder


def _table(name: str, content: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        picture(root / "a.jpg")
        (root / name).write_bytes(content if isinstance(content, bytes) else content())
        return root

    return make


def _csv(rows: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    return _table("points.csv", (lambda: b"image,x,y\n" + (rows if isinstance(rows, bytes) else rows())))


def _json(content: object) -> Callable[[Path], Path]:
    return _table("points.json", json.dumps(content).encode())


def _both(root: Path) -> Path:
    (folder(root) / "points.json").write_text("{}")
    return root


def _none(root: Path) -> Path:
    picture(root / "images/a.jpg")
    return root


def _large(name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        picture(root / "a.jpg")
        (root / name).write_bytes(b"image,x,y\n")
        os.truncate(root / name, 1 << 30)
        return root

    return make


def _link_out(root: Path) -> Path:
    picture(root / "set/a.jpg")
    (root / "secret.csv").write_text("image,x,y\na.jpg,1,1\n")
    (root / "set/points.csv").symlink_to("../secret.csv")
    return root / "set"


_MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "csv_empty": (_table("points.csv", b""), "is empty"),
    "csv_binary": (_table("points.csv", bytes(range(256)) * 10), "not UTF-8"),
    "csv_utf16_broken": (_table("points.csv", "image,x,y\na.jpg,1,2\n".encode("utf-16")[:-1]), "not UTF-8"),
    "csv_zero_bytes": (_csv(b"a.jpg,1,\x002\n"), "points.csv: row 2"),
    "csv_missing_column": (_table("points.csv", b"image,x\na.jpg,1\n"), "columns image,x,y"),
    "csv_without_header": (_table("points.csv", b"a.jpg,1,2\n"), "columns image,x,y"),
    "csv_column_twice": (_table("points.csv", b"image,x,y,x\na.jpg,1,2,3\n"), "columns image,x,y"),
    "csv_colons": (_table("points.csv", b"image:x:y\na.jpg:1:2\n"), "columns image,x,y"),
    "csv_thousands": (_table("points.csv", b"image;x;y\na.jpg;1.000,5;2\n"), "x and y should be numbers"),
    "csv_short_row": (_csv(b"a.jpg,1\n"), "row 2: has 2 cells"),
    "csv_bad_number": (_csv(b"a.jpg,1,two\n"), "got '1' and 'two'"),
    "csv_half_empty": (_csv(b"a.jpg,1,\n"), "got '1' and ''"),
    "csv_nan": (_csv(b"a.jpg,1,nan\n"), "NaN or infinite"),
    "csv_infinite": (_csv(b"a.jpg,1e999,1\n"), "NaN or infinite"),
    "csv_outside": (_csv(b"a.jpg,1,5000\n"), "lies outside of a.jpg"),
    "csv_climbs": (_csv(b"a.jpg,1,1\n../../etc/passwd,1,1\n"), "plain name"),
    "csv_absolute": (_csv(b"a.jpg,1,1\n/etc/passwd,1,1\n"), "plain name"),
    "csv_backslash": (_csv(b"a.jpg,1,1\n..\\b.jpg,1,1\n"), "plain name"),
    "csv_no_name": (_csv(b"a.jpg,1,1\n,1,1\n"), "plain name"),
    "csv_dots": (_csv(b"a.jpg,1,1\n..,1,1\n"), "plain name"),
    "csv_missing_picture": (_csv(b"a.jpg,1,1\nb.jpg,1,1\n"), "b.jpg: is missing"),
    "csv_name_of_two_lines": (_csv(b'a.jpg,1,1\n"b\n.jpg",1,1\n'), "control character"),
    "csv_long_name": (_csv(b"a.jpg,1,1\n" + b"b" * 5000 + b".jpg,1,1\n"), "plain name"),
    "csv_unlisted_picture": (_csv(b"\n"), "a.jpg is not in it"),
    "csv_huge_cell": (_csv(lambda: b"a" * 1_000_000 + b",1,1\n"), "points.csv: row 2"),
    "csv_open_quote": (_csv(lambda: b'"' + b"a.jpg,1,1\n" * 100_000), "points.csv: row"),
    "csv_many_heads": (_csv(lambda: b"a.jpg,1,1\n" * 1_100_000), "more than 1,000,000 heads"),
    "csv_many_images": (
        _csv(lambda: b"".join(b"%d,,\n" % number for number in range(200_100))),
        "more than 200,000 images",
    ),
    "csv_large_file": (_large("points.csv"), "1,073,741,824 bytes"),
    "csv_link_out": (_link_out, "is a link out of"),
    "json_empty": (_table("points.json", b""), "is empty"),
    "json_text": (_table("points.json", b"heads: 3"), "is not JSON"),
    "json_cut": (_table("points.json", b'{"a.jpg": [[1, 2], [3'), "is not JSON"),
    "json_binary": (_table("points.json", b"\x80\x04\x95" + bytes(100)), "not UTF-8"),
    "json_list": (_json([[1, 2]]), "should be {"),
    "json_number": (_json(3), "should be {"),
    "json_flat": (_json({"a.jpg": [1, 2]}), "should be {"),
    "json_object": (_json({"a.jpg": {"x": 1, "y": 2}}), "should be {"),
    "json_three_numbers": (_json({"a.jpg": [[1, 2, 3]]}), "should be {"),
    "json_strings": (_json({"a.jpg": [["1", "2"]]}), "should be {"),
    "json_truths": (_json({"a.jpg": [[True, False]]}), "should be {"),
    "json_nan": (_table("points.json", b'{"a.jpg": [[NaN, 1]]}'), "NaN or infinite"),
    "json_many_digits": (_table("points.json", b'{"a.jpg": [[1' + b"0" * 400 + b", 1]]}"), "too many digits"),
    "json_far_too_many_digits": (_table("points.json", b'{"a.jpg": [[1' + b"0" * 9000 + b", 1]]}"), "is not JSON"),
    "json_nested_deep": (_table("points.json", b'{"a.jpg": ' + b"[" * 1_000_000), "nested too deep"),
    "json_name_twice": (_table("points.json", b'{"a.jpg": [[1, 1]], "a.jpg": []}'), "'a.jpg' twice"),
    "json_climbs": (_json({"a.jpg": [[1, 1]], "../b.jpg": []}), "plain name"),
    "json_zero_byte": (_json({"a.jpg": [[1, 1]], "b\0.jpg": []}), "plain name"),
    "json_half_character": (_table("points.json", b'{"a.jpg": [[1, 1]], "\\ud800.jpg": []}'), "plain name"),
    "json_many_heads": (
        _table("points.json", lambda: b'{"a.jpg": [' + b"[1,1]," * 1_100_000 + b"[1,1]]}"),
        "more than 1,000,000 heads",
    ),
    "json_many_images": (
        _table("points.json", lambda: json.dumps({f"{number}": [] for number in range(200_100)}).encode()),
        "more than 200,000 images",
    ),
    "json_empty_lists": (
        _table("points.json", lambda: b'{"a.jpg": [' + b"[]," * 2_700_000 + b"[]]}"),
        "should be {",
    ),
    "json_large_file": (_large("points.json"), "1,073,741,824 bytes"),
    "both_tables": (_both, "has both"),
    "no_table": (_none, "points.csv or points.json is missing"),
}

TABLE_CASES = [
    Case(f"table_{name}", make, lambda root: Folder(root=root).crowds("train"), says)
    for name, (make, says) in _MAKERS.items()
]
