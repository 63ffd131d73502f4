"""JSON entry by entry says what `json.loads` says, wherever the text is cut."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countguard.data import json_stream
from countguard.data.json_stream import json_entries
from countguard.errors import InputError

numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)
documents = st.lists(values, max_size=6) | st.dictionaries(texts, values, min_size=1, max_size=6)


def assembled(path: Path) -> Any:
    """The document that the entries make up; members that are empty lists give no entry."""
    entries = list(json_entries(path, path.parent))
    if all(isinstance(place[0], int) for place, _ in entries):
        return [value for _, value in entries]
    found: dict[str, Any] = {}
    for place, value in entries:
        if len(place) == 2:
            found.setdefault(str(place[0]), []).append(value)
        else:
            found[str(place[0])] = value
    return found


@given(document=documents, chunk=st.integers(1, 40), indent=st.sampled_from([None, 0, 3]), ascii=st.booleans())
@settings(max_examples=100)
def test_entries_make_up_the_document(
    document: Any, chunk: int, indent: int | None, ascii: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "labels.json"
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=ascii), "utf-8")
    expected = document
    if isinstance(document, dict):
        expected = {name: value for name, value in document.items() if value != []} or []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        assert assembled(path) == expected


@given(text=st.text(alphabet='[]{}",:0123456789.eE+-tfn \\u', min_size=1, max_size=40))
@settings(max_examples=150)
def test_any_text_is_read_as_json_reads_it_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "labels.json"
    path.write_text(text)
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    try:
        entries = list(json_entries(path, path.parent))
    except InputError:
        repeated = text.count(":") > 1  # json keeps the last of two members of one name
        assert not isinstance(expected, list | dict) or repeated
        return
    assert isinstance(expected, list | dict)
    if isinstance(expected, list):
        assert [value for _, value in entries] == expected


def test_members_of_chosen_objects_come_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"a": {"x": [1, 2], "y": {}}, "b": {"z": 3}}')
    assert list(json_entries(path, tmp_path, opened={"a"})) == [
        (("a", "x"), [1, 2]),
        (("a", "y"), {}),
        (("b",), {"z": 3}),
    ]
