"""What an interrupted count reads back from its journal."""

from pathlib import Path

import pytest
from pydantic import JsonValue, TypeAdapter

from countguard.errors import InputError
from countguard.journal import Journal, journal_at
from countguard.operate.kept_rows import KeptRows

ROWS: TypeAdapter[tuple[float, str | None]] = TypeAdapter(tuple[float, str | None])


def test_a_row_counts_as_long_as_its_file_has_not_changed() -> None:
    kept = KeptRows(Journal(), ROWS)
    kept.add("a.jpg", [3, 4], (0.1 + 0.2, None))
    assert kept.get("a.jpg", [3, 4]) == (0.1 + 0.2, None)
    assert kept.get("a.jpg", [3, 5]) is None
    assert kept.get("b.jpg", [3, 4]) is None


def test_a_row_is_written_again_only_where_its_file_has_changed(tmp_path: Path) -> None:
    with journal_at(tmp_path / "kept", {"verb": "count"}) as journal:
        kept = KeptRows(journal, ROWS)
        lengths = []
        for stamp in ([3, 4], [3, 4], [3, 5], [3, 5]):
            kept.add("a.jpg", stamp, (float(stamp[1]), None))
            lengths.append((tmp_path / "kept").read_bytes().count(b"\n"))
    assert lengths == [2, 2, 3, 3]
    with journal_at(tmp_path / "kept", {"verb": "count"}) as journal:
        assert KeptRows(journal, ROWS).get("a.jpg", [3, 5]) == (5.0, None)


@pytest.mark.parametrize(
    "value", [3, "text", [], [[3, 4]], [[3, 4], "row"], [[3, 4], [1.0]], [[3, 4], ["x", None]], {}]
)
def test_something_else_in_the_journal_is_refused(value: JsonValue) -> None:
    with pytest.raises(InputError, match="damaged; delete it"):
        KeptRows(Journal(rows={"a.jpg": value}), ROWS).get("a.jpg", [3, 4])
