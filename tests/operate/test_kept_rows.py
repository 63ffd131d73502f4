"""What an interrupted count reads back from its journal."""

import pytest
from pydantic import JsonValue, TypeAdapter

from countguard.errors import InputError
from countguard.journal import Journal
from countguard.operate.kept_rows import KeptRows

ROWS: TypeAdapter[tuple[float, str | None]] = TypeAdapter(tuple[float, str | None])


def test_a_row_counts_as_long_as_its_file_has_not_changed() -> None:
    kept = KeptRows(Journal(), ROWS)
    kept.add("a.jpg", [3, 4], (0.1 + 0.2, None))
    assert kept.get("a.jpg", [3, 4]) == (0.1 + 0.2, None)
    assert kept.get("a.jpg", [3, 5]) is None
    assert kept.get("b.jpg", [3, 4]) is None


@pytest.mark.parametrize(
    "value", [3, "text", [], [[3, 4]], [[3, 4], "row"], [[3, 4], [1.0]], [[3, 4], ["x", None]], {}]
)
def test_something_else_in_the_journal_is_refused(value: JsonValue) -> None:
    with pytest.raises(InputError, match="damaged; delete it"):
        KeptRows(Journal(rows={"a.jpg": value}), ROWS).get("a.jpg", [3, 4])
