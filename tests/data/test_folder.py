import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.case import folder, picture
from countguard.data.folder import Folder
from countguard.data.point_tables import read_points_csv, read_points_json
from countguard.errors import InputError


def test_a_csv_and_a_json_say_the_same(tmp_path: Path) -> None:
    folder(tmp_path / "csv", [("b.png", "", ""), ("a.jpg", 1, 2.5), ("a.jpg", 30, 40)])
    folder(tmp_path / "json")
    (tmp_path / "json/points.csv").unlink()
    (tmp_path / "json/points.json").write_text(json.dumps({"b.png": [], "a.jpg": [[1, 2.5], [30, 40]]}))
    for name in ("csv", "json"):
        crowds = Folder(root=tmp_path / name).crowds("train")
        assert [(crowd.id, crowd.points.tolist()) for crowd in crowds] == [("a", [[1, 2.5], [30, 40]]), ("b", [])]
        assert Folder(root=tmp_path / name).name == name


def test_pictures_may_lie_beside_the_table_with_columns_in_any_order(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "points.csv").write_bytes("\ufeffnote,Y,X,image\r\nseated,2,1,a.jpg\r\n\r\n".encode())
    assert Folder(root=tmp_path).crowds("train")[0].points.tolist() == [[1, 2]]


def test_train_and_test_are_the_official_split(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    folder(tmp_path / "test", [("a.jpg", 5, 5), ("b.png", 6, 6)])
    split = Folder(root=tmp_path).load()
    assert [crowd.count for crowd in split.training] == [1, 0]
    assert [crowd.count for crowd in split.test] == [1, 1]


def test_bad_pictures_are_skipped_and_a_bad_table_is_not(tmp_path: Path) -> None:
    folder(tmp_path, [("a.jpg", 1, 1), ("b.png", 3, 3000), ("c.png", 1, 1)])
    crowds = Folder(root=tmp_path, skip_bad=True).crowds("train")
    assert [crowd.id for crowd in crowds] == ["a"]
    assert ["b.png" in crowds.skipped[0], "c.png" in crowds.skipped[1]] == [True, True]
    (tmp_path / "points.csv").write_text("image,x,y\na.jpg,1,one\n")
    with pytest.raises(InputError, match="row 2"):
        Folder(root=tmp_path, skip_bad=True).crowds("train")


cells = st.one_of(st.text(max_size=8), st.sampled_from(["a.jpg", "1", "2.5", "", "nan", "image", "x", "y"]))


@given(st.lists(st.lists(cells, max_size=5), max_size=5))
@settings(max_examples=150, deadline=None)
def test_any_csv_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "points.csv"
    lines = [",".join(row) for row in [["image", "x", "y"], *rows]]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        table = read_points_csv(path)
    except InputError:
        return
    assert all(points.shape[1] == 2 for points in table.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.one_of(json_values, st.dictionaries(st.text(max_size=5), st.lists(st.lists(st.floats(), max_size=3)))))
@settings(max_examples=150, deadline=None)
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.mktemp("json") / "points.json"
    path.write_text(json.dumps(content))
    try:
        table = read_points_json(path)
    except InputError:
        return
    assert all(points.shape[1] == 2 for points in table.values())


@given(st.binary(min_size=1, max_size=60).filter(lambda content: not content.strip().startswith(b"{")))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "points"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_points_csv(path)
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_points_json(path)
